"""Two workers whose slots never begin anything, and the exchanges for them; for what comes without being asked for."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.exchanges import Exchanges
from qw.dispatcher.journal import Journal
from qw.dispatcher.refusals import Refusals
from qw.scripts import Status
from tests.support.links import Place
from tests.support.scripts import ONE, TWO, scripts
from tests.support.slots import Idle
from tests.support.wait import wait_until


class Stage:
    """The exchanges of a start that is alive, on a link."""

    def __init__(self, place: Place) -> None:
        self.place = place
        #: The workers whose knocks were doubted, and how often the bell was.
        self.doubted: list[str] = []
        self.doubts_of_bell = 0
        self.crew = Crew([ONE, TWO], Idle)
        self.adoptions = Adoptions([ONE, TWO], "web", lambda name: self.crew[name].idle)
        logger = logging.getLogger("qw.test")
        bell = SimpleNamespace(doubt=self._doubt_bell)
        refusals = Refusals(logger)
        session: Any = SimpleNamespace(main=place.link, refusals=refusals, doubt=self.doubted.append, bell=bell)
        self.is_struck = False
        self.exchanges = Exchanges(session, scripts(), self.crew, self.adoptions, Journal(logger), self._standing)
        self.exchanges.dry = True

    def _doubt_bell(self) -> None:
        self.doubts_of_bell += 1

    def _standing(self, status: Status) -> bool:
        self.is_struck = status == "struck"
        return not self.is_struck

    @property
    def held(self) -> list[str]:
        """What the first worker has."""
        return [job_id for job_id, _ in self.crew[ONE].held]

    def ask(self, now: float = 0.0) -> None:
        """Send an exchange, if there is anything to ask for."""
        self.exchanges.mind(now, may_ask=True)

    def settle(self, now: float = 0.0) -> None:
        """Have the exchange answered that is sent now."""
        self.ask(now)

        def answered() -> bool:
            self.place.turn()
            return not self.exchanges.in_flight

        wait_until(answered)
