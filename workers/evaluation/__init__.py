"""Published benchmarks run on the engines, scored as their papers score them, beside the papers' figures.

`benchmarks` has one class per benchmark, `datasets` reads the published layouts, `metrics` scores. `runner`
answers sample by sample and keeps every answer, so that a run can be killed, resumed and divided.
"""
