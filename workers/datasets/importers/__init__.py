"""Other people's datasets as SceneClips."""
