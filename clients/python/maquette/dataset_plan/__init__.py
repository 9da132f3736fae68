"""Dataset plans: a TOML file that holds everything about a dataset, from its videos to its formats."""

from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.from_request import plan_exports, plan_request
from maquette.dataset_plan.reading import build_plan, parse_plan, read_plan
from maquette.dataset_plan.regating import extend_plan
from maquette.dataset_plan.schema import DatasetPlan, PlanInput, PlanOutput, PlanSource
from maquette.dataset_plan.template import plan_template
from maquette.dataset_plan.writing import format_plan

# the name under which the plan of a dataset lies beside it
PLAN_FILE = "plan.toml"

__all__ = [
    "PLAN_FILE",
    "DatasetPlan",
    "PlanError",
    "PlanInput",
    "PlanOutput",
    "PlanSource",
    "build_plan",
    "extend_plan",
    "format_plan",
    "parse_plan",
    "plan_exports",
    "plan_request",
    "plan_template",
    "read_plan",
]
