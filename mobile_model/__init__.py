"""The phone: what it computes, what it decides, and how it stays up to date. SPEC.md is the contract."""
