"""The only SQL of the ingestion service. Rows become domain values here; whoever calls opens the transaction."""

from services.ingestion.store.campaigns import Campaign, find_campaign, has_waiting, list_campaigns, place_waiting
from services.ingestion.store.receipts import (
    StoredReceipt,
    add_receipt,
    find_receipt,
    find_receipt_of_key,
    withdraw,
)
from services.ingestion.store.reports import (
    ReportFilter,
    StoredReport,
    add_report,
    add_reports,
    count_labels,
    find_report,
    label_report,
    list_reports,
    register_source,
)
from services.ingestion.store.snapshots import (
    Snapshot,
    VerifiedReport,
    add_snapshot,
    count_verified,
    find_snapshot,
    freeze_again,
    frequent_campaigns,
    frequent_reporters,
    list_snapshots,
    read_verified,
)
from services.ingestion.store.statements import consistent

__all__ = [
    "Campaign",
    "ReportFilter",
    "Snapshot",
    "StoredReceipt",
    "StoredReport",
    "VerifiedReport",
    "add_receipt",
    "add_report",
    "add_reports",
    "add_snapshot",
    "consistent",
    "count_labels",
    "count_verified",
    "find_campaign",
    "find_receipt",
    "find_receipt_of_key",
    "find_report",
    "find_snapshot",
    "freeze_again",
    "frequent_campaigns",
    "frequent_reporters",
    "has_waiting",
    "label_report",
    "list_campaigns",
    "list_reports",
    "list_snapshots",
    "place_waiting",
    "read_verified",
    "register_source",
    "withdraw",
]
