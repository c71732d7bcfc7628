"""HTML report of a result: a self-contained page with synchronized videos, metrics, and the details of the run."""

from dancenow.report.content import CoverageGap, FootageCoverage, Metric, Pane, Report
from dancenow.report.page import write_report

__all__ = ["CoverageGap", "FootageCoverage", "Metric", "Pane", "Report", "write_report"]
