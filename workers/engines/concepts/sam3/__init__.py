"""SAM 3 as a concept engine: phrases, exemplars, clicks and long video from one set of weights."""
