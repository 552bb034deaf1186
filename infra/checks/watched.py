"""The metrics that a template's alarms and dashboards are on."""

import json
import re
from dataclasses import dataclass

from model import ALARM, DASHBOARD, METRIC_FILTER, Unreadable

SEARCH = re.compile(
    r"""SEARCH\('\{(?P<schema>.*?)\}\ MetricName="(?P<metric>\w+)"',\ '(?P<statistic>\w+)'(?:,\ \d+)?\)""", re.VERBOSE
)


@dataclass(frozen=True)
class Watched:
    """A metric that `watcher` is on. A search leaves the dimensions' values open: they are None."""

    watcher: str
    namespace: str
    metric: str
    dimensions: tuple

    def value(self, dimension):
        return dict(self.dimensions).get(dimension)

    def names(self):
        return {name for name, _ in self.dimensions}

    def __str__(self):
        return f"{self.metric} of {self.namespace} by {', '.join(sorted(self.names())) or 'no dimension'}"


def by_alarms(template):
    for name, alarm in template.of_type(ALARM).items():
        yield from of_alarm(name, alarm)


def of_alarm(name, alarm):
    """What an alarm is on: one metric, or all that it computes from."""
    metrics = [alarm] if "MetricName" in alarm else []
    metrics += [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    for metric in metrics:
        dimensions = tuple((dimension["Name"], dimension["Value"]) for dimension in metric.get("Dimensions", []))
        yield Watched(name, metric.get("Namespace"), metric.get("MetricName"), dimensions)


def by_widgets(template):
    for name in template.of_type(DASHBOARD):
        for widget in widgets_of(template, name):
            for entry in widget.get("properties", {}).get("metrics", []):
                yield of_entry(name, entry)


def widgets_of(template, name):
    try:
        return json.loads(template.of_type(DASHBOARD)[name].get("DashboardBody", "{}"))["widgets"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{name} has no DashboardBody in JSON with widgets ({error}); mend it") from None


def of_entry(name, entry):
    """What one line of a widget is on: a search, or a metric that is named."""
    parts = [part for part in entry if not isinstance(part, dict)]
    if parts:
        namespace, metric, *dimensions = parts
        return Watched(name, namespace, metric, tuple(zip(dimensions[::2], dimensions[1::2])))
    expression = entry[0].get("expression", "")
    found = SEARCH.fullmatch(expression)
    if not found:
        raise Unreadable(
            f"{name} has the expression {expression}, which the checks cannot read; write SEARCH('{{NAMESPACE,DIMENSION}} "
            'MetricName="NAME"\', \'STATISTIC\', PERIOD)'
        )
    namespace, *dimensions = [part.strip().strip('"') for part in found["schema"].split(",")]
    return Watched(name, namespace, found["metric"], tuple((dimension, None) for dimension in dimensions))


def counted_in_logs(template):
    """The metrics that are made of log lines."""
    return {
        (entry.get("MetricNamespace"), entry.get("MetricName"))
        for properties in template.of_type(METRIC_FILTER).values()
        for entry in properties.get("MetricTransformations", [])
    }
