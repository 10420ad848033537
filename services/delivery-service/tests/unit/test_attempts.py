"""What an answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery_service.domain.attempts import FINAL_FAULTS, Fault, Reply, Verdict, judge


def answered(status: int) -> Reply:
    return Reply(status, None, 0.1)


@given(st.integers(200, 299))
def test_every_2xx_is_a_success(status: int) -> None:
    assert judge(answered(status)) is Verdict.SUCCEEDED


@given(st.integers(500, 999))
def test_every_server_error_is_tried_again(status: int) -> None:
    assert judge(answered(status)) is Verdict.RETRY


@pytest.mark.parametrize("status", [408, 425, 429])
def test_client_errors_that_may_pass_are_tried_again(status: int) -> None:
    assert judge(answered(status)) is Verdict.RETRY


@given(st.integers(100, 499).filter(lambda status: not 200 <= status < 300 and status not in (408, 410, 425, 429)))
def test_every_other_answer_is_final(status: int) -> None:
    assert judge(answered(status)) is Verdict.REJECTED


def test_gone_is_final_for_the_endpoint_too() -> None:
    assert judge(answered(410)) is Verdict.GONE


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in FINAL_FAULTS])
def test_a_fault_on_the_way_is_tried_again(fault: Fault) -> None:
    assert judge(Reply(None, fault, 0.1)) is Verdict.RETRY


@pytest.mark.parametrize("fault", [Fault.UNUSABLE_URL, Fault.NO_CONTACT])
def test_what_another_try_would_meet_again_is_final(fault: Fault) -> None:
    assert judge(Reply(None, fault, 0.0)) is Verdict.REJECTED
