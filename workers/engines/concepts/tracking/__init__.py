"""The default tracker: optical flow between key frames, detection and MobileSAM on key frames."""
