"""The projector process: from the core's events to the read models.

Responsible for: following, catching up and writing. What an event becomes is in `novate.projections`.
"""

from novate.projector.past import Past
from novate.projector.process import Lag, project, run_projector

__all__ = ["Lag", "Past", "project", "run_projector"]
