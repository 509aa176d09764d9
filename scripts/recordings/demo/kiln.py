"""A Bokeh application: the temperatures of a kiln, measured all the time, and a picture of it."""

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, Slider
from bokeh.plotting import curdoc, figure

SIDE = 24
POINTS = 12
generator = np.random.default_rng(7)
readings = ColumnDataSource({"second": np.empty(0), "wall": np.empty(0), "load": np.empty(0)})
camera = ColumnDataSource({"heat": [np.zeros((SIDE, SIDE), np.uint8)]})

plot = figure(width=600, height=300, title="Kiln 3", tools="pan,wheel_zoom,reset")
plot.line("second", "wall", source=readings, legend_label="wall")
plot.line("second", "load", source=readings, legend_label="load", color="firebrick")
plot.x_range.follow = "end"
plot.x_range.follow_interval = 40
picture = figure(width=300, height=300, x_range=(0, 1), y_range=(0, 1), tools="")
picture.image("heat", x=0, y=0, dw=1, dh=1, palette="Inferno256", source=camera)
target = Slider(title="target, °C", start=600, end=1300, value=1050, step=10)


def measure() -> None:
    """Add some readings, and take a new picture."""
    begun = len(readings.data["second"]) / POINTS
    seconds = begun + np.arange(POINTS) / POINTS
    wall = target.value * (1 - np.exp(-seconds / 20)) + generator.normal(0, 3, POINTS)
    load = target.value * (1 - np.exp(-seconds / 45)) + generator.normal(0, 1, POINTS)
    readings.stream({"second": seconds, "wall": wall, "load": load})
    across, up = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    heat = wall[-1] / 1300 * np.exp(-(across**2 + up**2)) + generator.normal(0, 0.01, across.shape)
    camera.data = {"heat": [(255 * heat.clip(0, 1)).astype(np.uint8)]}


curdoc().add_root(column(plot, target, picture))
curdoc().add_periodic_callback(measure, 250)
