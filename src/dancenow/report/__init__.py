"""One page to look at a result: self-contained HTML with everything in step, the figures, and what it is made of."""

from dancenow.report.content import Figure, Footage, Gap, Pane, Report
from dancenow.report.page import write_report

__all__ = ["Figure", "Footage", "Gap", "Pane", "Report", "write_report"]
