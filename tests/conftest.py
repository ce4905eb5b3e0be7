"""What all tests share."""

from hypothesis import HealthCheck, settings

# No test is timed: a busy machine must not fail one.
settings.register_profile("blindtune", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blindtune")
