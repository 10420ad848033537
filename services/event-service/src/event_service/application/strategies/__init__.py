"""One strategy per type of event. A further type is a module here and a line below."""

from collections.abc import Mapping

from event_service.application.strategies.anniversary import Anniversary
from event_service.application.strategies.birthday import Birthday
from event_service.application.strategies.notification import Notification
from event_service.application.strategies.reminder import Reminder
from event_service.application.strategies.strategy import Strategy

STRATEGIES: Mapping[str, Strategy] = {
    each.event_type: each for each in (Birthday(), Anniversary(), Reminder(), Notification())
}

__all__ = ["STRATEGIES", "Strategy"]
