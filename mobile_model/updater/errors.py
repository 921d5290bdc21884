"""Every way in which an update can fail. After each the phone goes on with the release that it had.

UpdateError
 +- StateError                what lies on the phone
 |   +- NotInitialisedError       the folder holds no phone yet
 |   +- AlreadyInitialisedError   the folder holds a phone already
 |   +- InvalidRootError          the file is no root of trust
 |   +- DamagedStateError         files of the phone were changed or lost
 |   +- BusyError                 another update is under way
 |   +- DiskFullError             no room left
 |   +- DiskError                 the disk cannot be read or written
 +- SourceError               what comes over the network
 |   +- UnreachableError          no connection, or the source answers with an error
 |   +- TooSlowError              a file did not come in time
 |   +- EndlessFileError          a file is longer than was announced or is allowed
 |   +- TruncatedFileError        a file ended before its announced length
 |   +- MissingFileError          a file that must be there is not
 +- TrustError                what was signed, and by whom
 |   +- WrongSignatureError       not signed by the keys that the root names
 |   +- ExpiredMetadataError      signed too long ago: someone may be holding the phone at an old state
 |   +- WrongClockError           the phone's clock is off by so much that nothing can be judged
 |   +- OlderMetadataError        older than what the phone has seen before
 |   +- MixedMetadataError        files that do not belong together
 |   +- MalformedMetadataError    not in the format of TUF
 |   +- ChangedFileError          a file is not the one that was signed
 +- ReleaseError              what the release is
     +- UnknownChannelError       the source does not have the channel
     +- ClientTooOldError         the release needs a newer phone program
     +- UnfitReleaseError         card and model do not fit each other or the limits
"""


class UpdateError(Exception):
    """The update failed; the text says why and what the person can do."""


class StateError(UpdateError):
    """Something is wrong with what lies on the phone."""


class NotInitialisedError(StateError):
    """The folder holds no phone yet."""


class AlreadyInitialisedError(StateError):
    """The folder holds a phone already."""


class InvalidRootError(StateError):
    """The file is no root of trust."""


class DamagedStateError(StateError):
    """Files of the phone were changed or lost."""


class BusyError(StateError):
    """Another update is under way."""


class DiskFullError(StateError):
    """There is no room left."""


class DiskError(StateError):
    """The disk cannot be read or written."""


class SourceError(UpdateError):
    """Something is wrong with what comes over the network."""


class UnreachableError(SourceError):
    """There is no connection, or the source answers with an error."""


class TooSlowError(SourceError):
    """A file did not come in time."""


class EndlessFileError(SourceError):
    """A file is longer than was announced or is allowed."""


class TruncatedFileError(SourceError):
    """A file ended before its announced length."""


class MissingFileError(SourceError):
    """A file that must be there is not."""


class TrustError(UpdateError):
    """What came cannot be trusted."""


class WrongSignatureError(TrustError):
    """Metadata is not signed by the keys that the root names."""


class ExpiredMetadataError(TrustError):
    """Metadata was signed too long ago: someone may be holding the phone at an old state."""


class WrongClockError(TrustError):
    """The phone's clock is off by so much that nothing can be judged."""


class OlderMetadataError(TrustError):
    """Metadata is older than what the phone has seen before."""


class MixedMetadataError(TrustError):
    """Files do not belong together."""


class MalformedMetadataError(TrustError):
    """Metadata is not in the format of TUF."""


class ChangedFileError(TrustError):
    """A file is not the one that was signed."""


class ReleaseError(UpdateError):
    """Something is wrong with the release that is offered."""


class UnknownChannelError(ReleaseError):
    """The source does not have the channel."""


class ClientTooOldError(ReleaseError):
    """The release needs a newer phone program."""


class UnfitReleaseError(ReleaseError):
    """Card and model do not fit each other or the limits."""
