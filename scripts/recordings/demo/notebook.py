"""A notebook, in the percent format; some of its cells are wrong, and corrected by the next."""

# %%
import random
import time

import matplotlib.pyplot as plt
import pandas as pd

generator = random.Random(7)
# %%
STATIONS = ["Alder Weir", "Brackenford", "Coldharbour", "Dunmere Lock", "Elmbridge"]
records = []
for day in pd.date_range("2031-03-01", periods=60):
    for index, station in enumerate(STATIONS):
        level = 1.2 + 0.3 * index + generator.gauss(0, 0.12)
        flow = 14 * level + generator.gauss(0, 2)
        records.append((day, station, round(level, 3), round(flow, 1)))
gauges = pd.DataFrame(records, columns=["day", "station", "level_m", "flow_m3s"])
print(f"{len(gauges)} readings of {gauges.station.nunique()} stations")
gauges.head(8)
# %%
gauges.groupby("station")[["level_m", "flow_m3s"]].agg(["min", "mean", "max"]).round(2)
# %%
for station, readings in gauges.groupby("station"):
    high = readings.loc[readings.level_m.idxmax()]
    print(f"{station:<14} highest {high.level_m:.3f} m on {high.day:%d %B}", flush=True)
# %%
gauges.groupby("staton").level_m.mean()


# %%
def smoothed(values, window=7):
    """The mean of each value and those before it, as many as fit into the window."""
    parts = [values[max(0, end - window) : end] for end in range(len(values))]
    return [sum(part) / len(part) for part in parts]


smoothed(gauges.level_m.tolist())


# %%
def smoothed(values, window=7):
    """The mean of each value and those before it, as many as fit into the window."""
    parts = [values[max(0, end - window) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]


smoothed(gauges.level_m.tolist())[:5]
# %%
best = 9.0
for step in range(1, 33):
    time.sleep(0.02)
    loss = 2.5 / step + generator.random() / 20
    best = min(best, loss)
    bar = "█" * (step // 4) + "·" * (8 - step // 4)
    print(f"\rfitting |{bar}| {step}/32 loss {loss:.4f}", end="", flush=True)
print(f"\nbest loss {best:.4f}")
# %%
figure, axes = plt.subplots(figsize=(3, 1.5), dpi=40)
weir = gauges[gauges.station == "Alder Weir"]
axes.plot(smoothed(weir.level_m.tolist()), color="black", linewidth=1)
axes.set_ylabel("level, m")
plt.show()
