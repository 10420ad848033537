"""``/v1/status``: the status of the service as a whole, whichever of its processes is asked."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chassis.api.auth import READ
from chassis.messaging.status import StatusReader
from contracts.http.status import ServiceStatus

PREFIX = "/v1/status"


async def _board(request: Request) -> StatusReader:
    board: StatusReader = request.app.state.board
    return board


CurrentBoard = Annotated[StatusReader, Depends(_board)]

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


@router.get("")
async def get_status(board: CurrentBoard) -> ServiceStatus:
    """Connections, unsent messages, and the queues: of the whole fleet, as database and bus tell it."""
    return await board.read()
