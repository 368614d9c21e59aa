"""What tests against real servers share."""

import pytest

from tests.integration import faults_table


@pytest.fixture(scope="session")
def record_fault() -> faults_table.Record:
    """Tells the table of faults what a test saw: integration, fault, code, what the user saw, what was done, seconds."""
    return faults_table.record
