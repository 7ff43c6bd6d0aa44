"""Being here puts this directory on the import path, so that test files share the helpers that lie in it."""

from hypothesis import HealthCheck, settings

# No test is judged by the clock: a busy machine is no fault of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
