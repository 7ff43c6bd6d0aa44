"""The report of a run: plain data in, a terminal report or one self-contained HTML page out."""

from novate.reports.model import Report
from novate.reports.page import render, write_page
from novate.reports.selfcheck import Check, checks
from novate.reports.terminal import print_report, stderr_console

__all__ = ["Check", "Report", "checks", "print_report", "render", "stderr_console", "write_page"]
