"""The default values of requests, for signatures elsewhere: `max_views: int = OBJECTS.max_views`.

Required fields are missing from these instances: read optional fields only.
"""

from maquette.contract.keys import CreateKey, RotateKey
from maquette.contract.links import MakeLink
from maquette.contract.requests import (
    BodiesJob,
    ConvertJob,
    DatasetJob,
    ObjectsJob,
    SceneJob,
    SegmentJob,
    TrackJob,
)
from maquette.contract.sessions import OpenSession, Propagate

SEGMENT = SegmentJob.defaults()
TRACK = TrackJob.defaults()
OBJECTS = ObjectsJob.defaults()
BODIES = BodiesJob.defaults()
SCENE = SceneJob.defaults()
CONVERT = ConvertJob.defaults()
DATASET = DatasetJob.defaults()
LINK = MakeLink.defaults()
KEY = CreateKey.defaults()
ROTATION = RotateKey.defaults()
SESSION = OpenSession.defaults()
PROPAGATION = Propagate.defaults()
