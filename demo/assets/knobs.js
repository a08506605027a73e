// A panel of knobs that builds itself: props.value = {knobs: [...], values: {name: number}, presets: {name: values}}.
// Values go out with the event 'release': when a knob is let go, and several times a second while it moves.
window.ondes = window.ondes || {};

ondes.knobs = ({ element, props, watch, trigger }) => {
  const panel = element.querySelector('.knobs'), dial = ondes.dial;
  let values = {}, sent = 0, later = 0, serial = 0;

  function make(tag, attributes, children = []) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (name === 'text') node.textContent = value; else node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function send() {
    clearTimeout(later);
    sent = performance.now();
    props.value = { ...props.value, values: { ...values } };
    trigger('release', {});
  }

  // While a knob moves, at most ten times a second.
  function sendSoon() {
    clearTimeout(later);
    later = setTimeout(send, Math.max(0, 100 - (performance.now() - sent)));
  }

  const ARC = 270, point = (degrees, r) => { const a = (degrees - 225) * Math.PI / 180; return `${(24 + r * Math.cos(a)).toFixed(2)} ${(24 + r * Math.sin(a)).toFixed(2)}`; };
  const arc = (from, to) => `M${point(from, 19)}A19 19 0 ${to - from > 180 ? 1 : 0} 1 ${point(to, 19)}`;

  function rotary(knob) {
    const title = knob.label || knob.name, id = `knob-error-${knob.name}`;
    const turn = make('div', { class: 'dial', role: 'slider', tabindex: 0, 'data-knob': knob.name, 'aria-label': title, 'aria-valuemin': knob.min, 'aria-valuemax': knob.max });
    const typed = make('input', { type: 'text', class: 'typed', 'aria-label': `${title}, typed`, autocomplete: 'off', 'aria-describedby': id });
    const error = make('div', { class: 'error', id, role: 'status' });
    const show = () => {
      const value = values[knob.name], degrees = Math.max(0.5, ARC * dial.position(knob, value)), text = dial.text(knob, value);
      turn.innerHTML = `<svg viewBox="0 0 48 48" aria-hidden="true"><path class="track" d="${arc(0, ARC)}"/><path class="arc" d="${arc(0, degrees)}"/><circle cx="24" cy="24" r="13"/><path class="hand" d="M${point(degrees, 5)}L${point(degrees, 12)}"/></svg>`;
      turn.setAttribute('aria-valuenow', value);
      turn.setAttribute('aria-valuetext', text);
      typed.value = text;
      typed.removeAttribute('aria-invalid');
      error.textContent = '';
    };
    const set = (value) => { values[knob.name] = value; show(); };
    const move = (by) => set(dial.valueAt(knob, dial.position(knob, values[knob.name]) + by));
    const step = knob.scale === 'int' ? 1 / (knob.max - knob.min) : 0.01;
    let grip = null;
    turn.addEventListener('pointerdown', (event) => {
      turn.setPointerCapture(event.pointerId);
      grip = { x: event.clientX, y: event.clientY, at: dial.position(knob, values[knob.name]) };
      turn.focus();
      event.preventDefault();
    });
    turn.addEventListener('pointermove', (event) => {
      if (!grip) return;
      // Up and right are more; with Shift ten times finer.
      const by = (grip.y - event.clientY + event.clientX - grip.x) / (event.shiftKey ? 1800 : 180);
      set(dial.valueAt(knob, grip.at + by));
      sendSoon();
    });
    const drop = () => { if (grip) { grip = null; send(); } };
    turn.addEventListener('pointerup', drop);
    turn.addEventListener('pointercancel', drop);
    turn.addEventListener('dblclick', () => { set(knob.default); send(); });
    turn.addEventListener('wheel', (event) => {
      if (performance.now() - (ondes.scrolled || -1e9) < 400) return;
      event.preventDefault();
      move((event.deltaY < 0 ? 1 : -1) * (event.shiftKey ? step / 10 : Math.max(step, 0.02)));
      sendSoon();
    }, { passive: false });
    turn.addEventListener('keydown', (event) => {
      const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
      if (event.key in moves) move(moves[event.key] * step);
      else if (event.key === 'Home') set(knob.min);
      else if (event.key === 'End') set(knob.max);
      else if (event.key === 'Delete' || event.key === 'Backspace') set(knob.default);
      else return;
      event.preventDefault();
      sendSoon();
    });
    typed.addEventListener('change', () => {
      const found = dial.parse(knob, typed.value);
      if ('value' in found) { set(found.value); send(); return; }
      // What was typed stays, beside the reason; the knob keeps its value.
      typed.setAttribute('aria-invalid', 'true');
      error.textContent = `${found.error} The knob stays at ${dial.text(knob, values[knob.name])}.`;
    });
    typed.addEventListener('blur', () => { if (typed.getAttribute('aria-invalid')) typed.value = dial.text(knob, values[knob.name]); });
    show();
    return [make('span', { class: 'title', text: title }), turn, typed, error];
  }

  function choice(knob) {
    const id = `knob-${serial++}`;
    const select = make('select', { id, 'data-knob': knob.name }, knob.choices.map((name, index) => make('option', { value: index, text: name })));
    select.value = values[knob.name];
    select.addEventListener('change', () => { values[knob.name] = Number(select.value); send(); });
    return [make('label', { for: id, class: 'title', text: knob.label || knob.name }), select];
  }

  function presets(state) {
    const names = Object.keys(state.presets || {});
    const select = make('select', { class: 'presets', 'aria-label': 'Preset' },
      [make('option', { value: '', text: 'Presets' }), ...names.map((name) => make('option', { value: name, text: name }))]);
    select.addEventListener('change', () => {
      if (!select.value) return;
      for (const knob of state.knobs) values[knob.name] = state.presets[select.value][knob.name] ?? knob.default;
      send();
      const chosen = select.value;
      build();
      panel.querySelector('.presets').value = chosen;
    });
    const reset = make('button', { type: 'button', class: 'reset', text: 'Reset knobs' });
    reset.addEventListener('click', () => { for (const knob of state.knobs) values[knob.name] = knob.default; send(); build(); });
    return make('div', { class: 'foot' }, [...(names.length ? [select] : []), reset]);
  }

  function build() {
    const state = props.value;
    panel.replaceChildren();
    if (!state || !state.knobs) return;
    values = Object.fromEntries(state.knobs.map((knob) => [knob.name, (state.values || {})[knob.name] ?? knob.default]));
    for (const knob of state.knobs) panel.append(make('div', { class: 'knob' }, knob.choices ? choice(knob) : rotary(knob)));
    if (!state.knobs.length) panel.append(make('p', { text: 'This effect has no knobs.' }));
    else panel.append(presets(state));
  }

  // The panel's own changes come back as a new value; only other knobs or values build it anew.
  const same = () => {
    const state = props.value || {}, names = [...panel.querySelectorAll('[data-knob]')].map((node) => node.dataset.knob);
    return state.knobs && names.join() === state.knobs.map((knob) => knob.name).join() && state.effect === panel.dataset.effect
      && state.knobs.every((knob) => Math.abs(((state.values || {})[knob.name] ?? knob.default) - values[knob.name]) < 1e-12);
  };
  watch('value', () => { if (!same()) { build(); panel.dataset.effect = (props.value || {}).effect || ''; } });
  build();
  panel.dataset.effect = (props.value || {}).effect || '';
};
