// Values of knobs: positions from 0 to 1, texts with units, and what a user typed.
window.ondes = window.ondes || {};

ondes.dial = {
  position(knob, value) {
    if (knob.scale === 'log') return Math.log(value / knob.min) / Math.log(knob.max / knob.min);
    return (value - knob.min) / (knob.max - knob.min);
  },

  valueAt(knob, position) {
    const part = Math.min(1, Math.max(0, position));
    const value = knob.scale === 'log' ? knob.min * (knob.max / knob.min) ** part : knob.min + part * (knob.max - knob.min);
    return knob.scale === 'int' || knob.scale === 'switch' ? Math.round(value) : value;
  },

  text(knob, value) {
    const short = (number) => String(Number(number.toPrecision(3))).replace('-', '−');
    if (knob.unit === 's' && Math.abs(value) < 1) return short(value * 1000) + ' ms';
    if (knob.unit === 'Hz' && Math.abs(value) >= 1000) return short(value / 1000) + ' kHz';
    return short(value) + (knob.unit ? ' ' + knob.unit : '');
  },

  // Return {value} or {error}.
  parse(knob, typed) {
    const found = typed.trim().replace('−', '-').replace(',', '.').match(/^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(\S*)$/i);
    if (!found) return { error: `"${typed.trim().slice(0, 20)}" is no number; write ${this.text(knob, knob.default)}, say.` };
    const factors = { s: { '': 1, s: 1, ms: 1e-3 }, Hz: { '': 1, hz: 1, khz: 1e3 } };
    const own = factors[knob.unit] || { '': 1, [knob.unit.toLowerCase()]: 1, '%': 0.01 }, suffix = found[2].toLowerCase();
    if (!(suffix in own)) return { error: `"${found[2].slice(0, 12)}" is not a unit of this knob; write ${this.text(knob, knob.default)}, say.` };
    const value = knob.scale === 'int' ? Math.round(Number(found[1]) * own[suffix]) : Number(found[1]) * own[suffix];
    if (value < knob.min - 1e-9 || value > knob.max + 1e-9) return { error: `${this.text(knob, value)} is outside ${this.text(knob, knob.min)} to ${this.text(knob, knob.max)}.` };
    return { value };
  },
};

// When the page was scrolled last: a wheel that scrolls the page must not turn a knob that comes under it.
document.addEventListener('scroll', () => { ondes.scrolled = performance.now(); }, { capture: true, passive: true });
