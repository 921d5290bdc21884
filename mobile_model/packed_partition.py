"""A partition at about three bytes for each n-gram, where a sparse matrix of scipy takes twelve."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mobile_model.portable_math import Floats
from mobile_model.regression import Partition


@dataclass(frozen=True)
class PackedPartition:
    """A partition whose rows were made by `features.matrix`; it is unpacked for as long as it is worked on.

    `buckets` and `counts` are the n-grams of all rows, in the smallest types that hold them; row i is those from
    `offsets[i]` up to `offsets[i + 1]`, and all of it is divided by `roots[i]`.
    """

    buckets: NDArray[np.unsignedinteger[Any]] = field(repr=False)
    counts: NDArray[np.unsignedinteger[Any]] = field(repr=False)
    offsets: NDArray[np.int32] = field(repr=False)
    roots: Floats = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    weights: Floats = field(repr=False)
    columns: int

    @classmethod
    def pack(cls, partition: Partition) -> Self:
        """Packs without loss.

        A row is counts divided by the root of their sum, so its own sum is that root.
        """
        rows = partition.features
        roots = np.sqrt(np.rint(np.asarray(rows.sum(axis=1)).ravel() ** 2))
        counts = np.rint(rows.data * np.repeat(roots, np.diff(rows.indptr))).astype(np.uint32)
        return cls(
            rows.indices.astype(np.min_scalar_type(rows.shape[1] - 1)),
            counts.astype(np.min_scalar_type(int(counts.max(initial=0)))),
            rows.indptr.astype(np.int32),
            roots,
            partition.labels.astype(np.uint8),
            partition.weights,
            rows.shape[1],
        )

    def unpack(self) -> Partition:
        """Gives the partition back, its rows as counts and divisors."""
        counts = csr_matrix(
            (self.counts.astype(np.float64), self.buckets.astype(np.int32), self.offsets),
            shape=(len(self.labels), self.columns),
        )
        return Partition(counts, self.labels.astype(np.int64), self.weights, self.roots[:, np.newaxis])

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """See `regression.Sums`."""
        return self.unpack().loss_and_gradient(parameters)

    def weight_and_squares(self) -> tuple[float, Floats]:
        """See `regression.Sums`."""
        return self.unpack().weight_and_squares()
