"""The collector's thread: in every gateway, of which one at a time has its turn."""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from service import metrics
from service.settings import ServiceSettings
from storage.artefacts import ArtefactStore
from storage.collection import Collector
from storage.ledger import Database
from storage.ledger.retention import Retention, take_turn

log = logging.getLogger(__name__)
# how often a gateway asks whether a round is due
ASK_SECONDS = 30.0


class CollectorThread:
    """Collects every `collect_seconds`; a gateway that dies in its turn is followed by another."""

    def __init__(self, db: Database, store: ArtefactStore, settings: ServiceSettings) -> None:
        self._db = db
        self._seconds = settings.collect_seconds
        self._collector = build_collector(db, store, settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Start collecting, unless it is turned off."""
        if self._seconds > 0:
            self._thread.start()

    def close(self) -> None:
        """Stop collecting."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(min(self._seconds, ASK_SECONDS)):
            try:
                if take_turn(self._db, self._seconds):
                    report = self._collector.collect(self._seconds, self._stop.is_set)
                    log.info("collected: %s", report)
                    metrics.record_collection(report)
            except SQLAlchemyError:
                log.warning("the ledger cannot be reached", exc_info=True)
            except Exception:
                # a store that is away, or an error: without collection the disk fills
                log.error("nothing more was removed: the next round tries again", exc_info=True)


def build_collector(db: Database, store: ArtefactStore, settings: ServiceSettings) -> Collector:
    """The collector with the retention of the settings."""
    return Collector(
        db,
        store,
        build_retention(settings),
        grace_seconds=settings.collect_grace_seconds,
        audit_days=settings.keep_audit_days,
    )


def build_retention(settings: ServiceSettings) -> Retention:
    """The retention of tenants for which nothing else is set."""
    return Retention(
        uploads=settings.keep_uploads_days,
        results=settings.keep_results_days,
        events=settings.keep_events_days,
        scratch=settings.keep_scratch_days,
    )
