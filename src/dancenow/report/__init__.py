"""One page to look at a result: self-contained HTML with everything in step, the figures, and what it is made of."""

from dancenow.report.content import Footage, Gap, Metric, Pane, Report
from dancenow.report.page import write_report

__all__ = ["Footage", "Gap", "Metric", "Pane", "Report", "write_report"]
