// A panel of knobs that builds itself from a schema: props.value = {knobs: [...], values: {name: number}}.
// Sliders move on a dial of 0..1000; values go out when a knob is released, with the event 'release'.
const panel = element.querySelector('.knobs');
const DIAL = 1000;
const uid = Math.random().toString(36).slice(2, 8);

function position(knob, value) {
  if (knob.scale === 'log') return DIAL * Math.log(value / knob.min) / Math.log(knob.max / knob.min);
  return DIAL * (value - knob.min) / (knob.max - knob.min);
}

function valueAt(knob, dial) {
  const part = dial / DIAL;
  let value = knob.scale === 'log' ? knob.min * Math.exp(part * Math.log(knob.max / knob.min))
                                   : knob.min + part * (knob.max - knob.min);
  value = Math.min(knob.max, Math.max(knob.min, value));
  return knob.scale === 'int' || knob.scale === 'switch' ? Math.round(value) : value;
}

function text(knob, value) {
  const short = (number) => String(Number(number.toPrecision(3)));
  if (knob.unit === 's' && Math.abs(value) < 1) return short(value * 1000) + ' ms';
  if (knob.unit === 'Hz' && Math.abs(value) >= 1000) return short(value / 1000) + ' kHz';
  return short(value) + (knob.unit ? ' ' + knob.unit : '');
}

function parse(knob, typed) {
  const found = typed.trim().replace('\u2212', '-').match(/^([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(\S*)$/i);
  if (!found) return null;
  const suffix = found[2].toLowerCase();
  const factors = { s: { '': 1, s: 1, ms: 1e-3 }, Hz: { '': 1, hz: 1, khz: 1e3 } };
  const own = factors[knob.unit] || { '': 1, [knob.unit.toLowerCase()]: 1, '%': 0.01 };
  if (!(suffix in own)) return null;
  let value = Number(found[1]) * own[suffix];
  if (!Number.isFinite(value)) return null;
  if (knob.scale === 'int') value = Math.round(value);
  return Math.min(knob.max, Math.max(knob.min, value));
}

function make(tag, attributes, children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'text') node.textContent = value; else node.setAttribute(name, value);
  }
  for (const child of children || []) node.append(child);
  return node;
}

let values = {};

function release() {
  props.value = { knobs: props.value.knobs, values: { ...values } };
  trigger('release', { values });
}

function slider(knob, id) {
  const range = make('input', { type: 'range', id, min: 0, max: DIAL, step: 'any', 'data-knob': knob.name });
  const steps = knob.scale === 'int' ? knob.max - knob.min : 100;
  const typed = make('input', { type: 'text', class: 'typed', 'aria-label': (knob.label || knob.name) + ', typed', autocomplete: 'off' });
  const show = () => {
    range.value = position(knob, values[knob.name]);
    range.style.setProperty('--part', range.value / DIAL);
    typed.value = text(knob, values[knob.name]);
    range.setAttribute('aria-valuetext', typed.value);
  };
  range.addEventListener('input', () => { values[knob.name] = valueAt(knob, Number(range.value)); show(); });
  range.addEventListener('change', release);
  range.addEventListener('keydown', (event) => {
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const dial = Math.min(DIAL, Math.max(0, position(knob, values[knob.name]) + moves[event.key] * DIAL / steps));
    values[knob.name] = valueAt(knob, dial);
    show();
    release();
  });
  range.addEventListener('dblclick', () => { values[knob.name] = knob.default; show(); release(); });
  typed.addEventListener('change', () => {
    const value = parse(knob, typed.value);
    if (value !== null) values[knob.name] = value;
    show();
    if (value !== null) release();
  });
  show();
  const ends = make('div', { class: 'ends', 'aria-hidden': 'true' }, [
    make('span', { text: text(knob, knob.min) }),
    make('span', { text: knob.scale === 'log' ? 'log' : '' }),
    make('span', { text: text(knob, knob.max) }),
  ]);
  return [typed, range, ends];
}

function choice(knob, id) {
  const select = make('select', { id, 'data-knob': knob.name }, knob.choices.map((name, index) => make('option', { value: index, text: name })));
  select.value = values[knob.name];
  select.addEventListener('change', () => { values[knob.name] = Number(select.value); release(); });
  return [select];
}

function build() {
  const state = props.value;
  panel.replaceChildren();
  if (!state || !state.knobs) return;
  values = {};
  for (const knob of state.knobs) values[knob.name] = (state.values || {})[knob.name] ?? knob.default;
  for (const knob of state.knobs) {
    const id = `knob-${uid}-${knob.name}`;
    const label = make('label', { for: id, text: knob.label || knob.name });
    const parts = knob.choices ? choice(knob, id) : slider(knob, id);
    panel.append(make('div', { class: 'knob' }, [label, ...parts]));
  }
  if (!state.knobs.length) panel.append(make('p', { text: 'This effect has no knobs.' }));
  const reset = make('button', { type: 'button', class: 'reset', text: 'Reset knobs' });
  reset.addEventListener('click', () => {
    for (const knob of props.value.knobs) values[knob.name] = knob.default;
    props.value = { knobs: props.value.knobs, values: { ...values } };
    build();
    trigger('release', { values });
  });
  panel.append(reset);
}

watch('value', build);
build();
