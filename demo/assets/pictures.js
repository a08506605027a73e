// Panels above each other with one axis of time: spectrograms, and lines over time or over frequency.
window.ondes = window.ondes || {};

ondes.viridis = (() => {
  const anchors = ['440154', '482878', '3e4a89', '31688e', '26828e', '1f9e89', '35b779', '6ece58', 'b5de2b', 'fde725']
    .map((code) => [0, 2, 4].map((i) => parseInt(code.slice(i, i + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = i / 255 * 9, low = Math.min(8, Math.floor(at));
    return anchors[low].map((value, c) => Math.round(value + (anchors[low + 1][c] - value) * (at - low)));
  });
})();

// Axes of frequency: a function to a scale, and back.
ondes.scales = {
  mel: [(f) => Math.log10(1 + f / 700), (y) => 700 * (10 ** y - 1)],
  log: [(f) => Math.log10(Math.max(f, 40)), (y) => 10 ** y],
  linear: [(f) => f, (y) => y],
};

ondes.niceTicks = (low, high, count) => {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999), ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * (high - low); n++) ticks.push(n * step);
  return ticks;
};

ondes.short = (value) => (Math.abs(value) >= 1000 ? `${+(value / 1000).toPrecision(3)}k` : `${+value.toPrecision(3)}`).replace('-', '−');

const MARGIN = { left: 38, right: 6, top: 4, bottom: 16 };

// One canvas with axes. `view` is {from, to} in seconds, shared by all panels of a player.
ondes.Panel = class {
  constructor(title, kind, height) {
    this.kind = kind;
    this.node = document.createElement('div');
    this.node.className = 'panel';
    this.node.innerHTML = '<div class="head"><strong></strong><span class="legend"></span><span class="readout"></span></div><canvas role="img"></canvas>';
    this.node.querySelector('strong').textContent = title;
    this.legend = this.node.querySelector('.legend');
    this.readout = this.node.querySelector('.readout');
    this.canvas = this.node.querySelector('canvas');
    this.canvas.style.height = `${height}px`;
    this.canvas.setAttribute('aria-label', title);
    this.title = title;
  }

  // Return a pen on an empty canvas, in CSS pixels, and the area within the axes.
  begin() {
    const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext('2d'), style = getComputedStyle(this.node);
    pen.scale(ratio, ratio);
    pen.font = '10px system-ui, sans-serif';
    this.area = { x: MARGIN.left, y: MARGIN.top, w: Math.max(1, width - MARGIN.left - MARGIN.right), h: Math.max(1, height - MARGIN.top - MARGIN.bottom) };
    this.colours = Object.fromEntries(['ink', 'grid', 'line-0', 'line-1', 'line-2', 'line-3'].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    return pen;
  }

  timeAt(x, view) { return view.from + (x - this.area.x) / this.area.w * (view.to - view.from); }
  xOf(seconds, view) { return this.area.x + (seconds - view.from) / (view.to - view.from) * this.area.w; }

  axes(pen, ticksX, ticksY, unitX, unitY) { // ticks: [[pixel, text], ...]
    const { x, y, w, h } = this.area;
    pen.fillStyle = this.colours.ink; pen.strokeStyle = this.colours.grid; pen.lineWidth = 1;
    pen.textAlign = 'right'; pen.textBaseline = 'middle';
    for (const [at, text] of ticksY) if (at > y + 15) pen.fillText(text, x - 4, at);
    pen.fillText(unitY, x - 4, y + 5);
    pen.textAlign = 'center'; pen.textBaseline = 'top';
    for (const [at, text] of ticksX) if (at < x + w - 14) pen.fillText(text, at, y + h + 4);
    pen.textAlign = 'right'; pen.fillText(unitX, x + w, y + h + 4);
    pen.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
  }

  timeTicks(view) { return ondes.niceTicks(view.from, view.to, 6).map((s) => [this.xOf(s, view), ondes.short(s)]); }

  // The levels of a clip, 80 dB below `topDb` to it; with `under`, its difference from that one, -20 to 20 dB: orange
  // is louder, blue quieter.
  spectrogram(spectrum, view, scaleName, topDb, under = null) {
    const pen = this.begin(), { x, y, w, h } = this.area, [to, back] = ondes.scales[scaleName];
    const low = to(0), high = to(spectrum.rate / 2), ratio = window.devicePixelRatio || 1;
    const columns = Math.round(w * ratio), rows = Math.round(h * ratio), image = pen.createImageData(columns, rows);
    const { levels, bins, frames, hopSeconds } = spectrum, width = spectrum.rate / 2 / (bins - 1);
    const frequencies = Float64Array.from({ length: rows }, (_, r) => back(high - (r + 0.5) / rows * (high - low)) / width);
    const paint = (at, level, other) => {
      if (!under) {
        const colour = ondes.viridis[Math.max(0, Math.min(255, Math.round((level - topDb) / 80 * 255 + 255)))];
        image.data.set(colour, at);
        image.data[at + 3] = 255;
        return;
      }
      const change = Math.max(level, topDb - 80) - Math.max(other, topDb - 80);
      image.data.set(change > 0 ? [213, 94, 0] : [0, 114, 178], at);
      image.data[at + 3] = Math.min(255, Math.abs(change) / 20 * 255);
    };
    for (let c = 0; c < columns; c++) {
      const frame = Math.round((view.from + (c + 0.5) / columns * (view.to - view.from)) / hopSeconds);
      const offset = Math.min(frames - 1, frame) * bins;
      for (let r = 0; r < rows; r++) {
        const bin = Math.min(bins - 2, Math.floor(frequencies[r])), part = Math.min(1, frequencies[r] - bin);
        const between = (all, start) => all[start + bin] * (1 - part) + all[start + bin + 1] * part;
        const other = under ? between(under.levels, Math.min(under.frames - 1, frame) * bins) : 0;
        paint(4 * (r * columns + c), between(levels, offset), other);
      }
    }
    pen.putImageData(image, Math.round(x * ratio), Math.round(y * ratio));
    const marks = (scaleName === 'linear' ? ondes.niceTicks(0, spectrum.rate / 2, 5) : [100, 500, 1000, 2000, 4000, 8000, 16000])
      .filter((f) => f > 0 && f < spectrum.rate / 2);
    const ticks = marks.map((f) => [y + h - (to(f) - low) / (high - low) * h, `${f / 1000}`]);
    this.axes(pen, this.timeTicks(view), ticks.filter(([at], i) => !i || Math.abs(at - ticks[i - 1][0]) > 9), 's', 'kHz');
    this.read = (px, py) => {
      const f = back(high - (py - y) / h * (high - low)), s = this.timeAt(px, view);
      const at = Math.max(0, Math.min(frames - 1, Math.round(s / hopSeconds))) * bins + Math.max(0, Math.min(bins - 1, Math.round(f / width)));
      return `${s.toFixed(2)} s, ${Math.round(f)} Hz, ${levels[at].toFixed(0).replace('-', '−')} dB`;
    };
  }

  // Lines {label, points: [[x, y or null], ...]} over time (`view`) or over frequency (`view` null).
  lines(lines, view, { unit, log = false, low, high }) {
    const pen = this.begin(), { x, y, w, h } = this.area, range = view ? null : [30, 20000].map(Math.log);
    const px = (value) => (view ? this.xOf(value, view) : x + (Math.log(value) - range[0]) / (range[1] - range[0]) * w);
    const scale = log ? Math.log : (value) => value, [bottom, top] = [scale(low), scale(high)];
    const py = (value) => y + h - (Math.min(Math.max(scale(value), bottom), top) - bottom) / (top - bottom) * h;
    const levels = log ? [50, 70, 100, 150, 200, 300, 400, 600, 800].filter((f) => f > low && f < high) : ondes.niceTicks(low, high, 4);
    const across = view ? this.timeTicks(view) : [50, 100, 200, 500, 1000, 2000, 5000, 10000].map((f) => [px(f), ondes.short(f)]);
    pen.strokeStyle = this.colours.grid; pen.lineWidth = 1;
    pen.beginPath();
    for (const value of levels) { pen.moveTo(x, py(value)); pen.lineTo(x + w, py(value)); }
    for (const [at] of across) { pen.moveTo(at, y); pen.lineTo(at, y + h); }
    pen.stroke();
    this.axes(pen, across, levels.map((value) => [py(value), ondes.short(value)]), view ? 's' : 'Hz', unit);
    pen.save(); pen.beginPath(); pen.rect(x, y, w, h); pen.clip();
    lines.forEach((line, number) => {
      pen.strokeStyle = this.colours[`line-${number % 4}`]; pen.lineWidth = 2;
      pen.setLineDash([[], [6, 4], [2, 3], [8, 3, 2, 3]][number % 4]);
      pen.beginPath();
      let down = false;
      for (const [a, b] of line.points) {
        if (b === null) { down = false; continue; }
        if (down) pen.lineTo(px(a), py(b)); else pen.moveTo(px(a), py(b));
        down = true;
      }
      pen.stroke();
    });
    pen.restore();
    this.legend.replaceChildren(...lines.map((line, number) => {
      const key = document.createElement('span');
      key.className = `key line-${number % 4}`;
      key.textContent = line.label;
      return key;
    }));
    const value = (at) => { const v = bottom + (y + h - at) / h * (top - bottom); return log ? Math.exp(v) : v; };
    this.valueAt = value;
    this.read = (ax, ay) => (view ? `${this.timeAt(ax, view).toFixed(2)} s` : `${Math.round(Math.exp(range[0] + (ax - x) / w * (range[1] - range[0])))} Hz`) + `, ${ondes.short(value(ay))} ${unit}`;
  }
};
