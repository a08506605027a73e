// The player of all tabs. props.value is a message of demo/players.py:
// {id, tracks: [{name, label, path, equal_db, file}], pictures: [kinds], f0: [{label, hop, values}], drawn: [Hz], stale}.
window.ondes = window.ondes || {};

ondes.player = ({ element, props, watch, trigger, server }) => {
  const root = element.querySelector('.player'), find = (name) => root.querySelector(`.${name}`);
  const transport = new ondes.Transport(show), view = { from: 0, to: 1 };
  let panels = [], spectra = new Map(), drawn = null, message = null;
  root.transport = transport;

  function make(tag, attributes, text) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    return node;
  }

  async function update() {
    const value = props.value;
    if (!value || !value.tracks) { message = null; transport.stop(); await transport.load([]); root.dataset.state = 'empty'; root.dataset.id = ''; build(); return; }
    if (message && value.id === message.id && value.tracks.length === message.tracks.length) return;
    const began = performance.now();
    try {
      if (!await transport.load(value.tracks, value.prefer)) return;
    } catch (error) { find('told').textContent = error.message; return; }
    message = value;
    drawn = null;
    if (value.hear) transport.hear(value.hear);
    const known = spectra;
    spectra = new Map(transport.tracks.map((track) => [track.path, known.get(track.path) || null]));
    if (view.to > transport.duration || view.duration !== transport.duration) Object.assign(view, { from: 0, to: transport.duration, duration: transport.duration });
    root.dataset.state = 'ready';
    root.dataset.stale = value.stale ? 'yes' : '';
    root.dataset.loadMs = Math.round(performance.now() - began);
    root.dataset.pictures = value.pictures.join(' ');
    root.dataset.id = value.id;
    build();
  }

  function build() {
    const tracks = transport.tracks, group = find('tracks');
    const labels = JSON.stringify(tracks.map((track) => [track.name, track.label]));
    if (group.dataset.labels !== labels) {
      group.dataset.labels = labels;
      group.replaceChildren(...tracks.map((track, index) => {
        const button = make('button', { type: 'button', role: 'radio', 'data-track': track.name, title: `Key ${index + 1}` }, track.label);
        button.addEventListener('click', () => transport.hear(track.name));
        return button;
      }));
    }
    paintSoon(true);
    show();
  }

  const mono = (track) => {
    if (track.channels.length === 1) return track.channels[0];
    return track.channels[0].map((sample, i) => (sample + track.channels[1][i]) / 2);
  };
  const spectrumOf = (track) => {
    if (!spectra.get(track.path)) spectra.set(track.path, ondes.spectrogram(mono(track), track.rate));
    return spectra.get(track.path);
  };
  // Mean spectra need few frames.
  const meanOf = (track) => (track.mean = track.mean || ondes.meanSpectrum(ondes.spectrogram(mono(track), track.rate, 150)));

  // Pictures wait while results come quickly, as they do when a knob moves.
  let waiting = 0, painted = 0;
  function paintSoon(rebuild) {
    if (rebuild) panels = [];
    clearTimeout(waiting);
    waiting = setTimeout(() => requestAnimationFrame(() => { paint(); painted = performance.now(); }), performance.now() - painted < 400 && rebuild ? 200 : 0);
  }

  function panel(title, kind, height) {
    const key = `${kind}:${title}`;
    let found = panels.find((each) => each.key === key);
    if (!found) {
      found = new ondes.Panel(title, kind, height);
      found.key = key;
      listen(found);
      panels.push(found);
    }
    return found;
  }

  function paint() {
    const kinds = message ? message.pictures : [], tracks = transport.tracks.filter((track) => !track.unseen), dry = tracks[0];
    const area = find('panels'), painters = [];
    if (!root.clientWidth || !tracks.length) { area.querySelectorAll('.panel').forEach((node) => node.remove()); return; }
    const shown = find('every').checked ? tracks : tracks.filter((track) => track === dry || track.name === transport.heard);
    if (kinds.includes('f0') && message.f0.length) {
      painters.push([panel(message.editable ? 'F0 (drag to draw your own)' : 'F0', 'f0', 130), paintF0]);
    }
    const wets = tracks.filter((track) => track !== dry && track.name !== 'null');
    if (kinds.includes('gain') && wets.length) {
      painters.push([panel('Gain over time', 'gain', 110), (each) => {
        const lines = wets.map((track) => ({ label: track.label, points: ondes.gainOverTime(track, dry) }));
        each.lines(lines, view, { unit: 'dB', ...span(lines) });
      }]);
      painters.push([panel('Gain over frequency', 'response', 110), (each) => {
        const under = meanOf(dry), most = Math.max(...under.map(([, level]) => level));
        const lines = wets.map((track) => {
          const over = new Map(meanOf(track).map(([f, level]) => [f, level]));
          return { label: track.label, points: under.map(([f, level]) => [f, level > most - 75 && over.has(f) ? over.get(f) - level + track.level_db - dry.level_db : null]) };
        });
        each.lines(lines, null, { unit: 'dB', ...span(lines) });
      }]);
      painters.push([panel('Spectrum now', 'live', 90), () => paintLive()]);
    }
    const pictures = kinds.includes('spectrogram') ? shown.map((track) => [panel(track.label, 'spectrogram', 118), (each) => {
      each.spectrogram(spectrumOf(track), view, find('scale').value, spectrumOf(dry).top);
    }]) : [];
    const heard = transport.tracks.find((track) => track.name === transport.heard);
    if (kinds.includes('difference') && tracks.length > 1) {
      const wet = heard === dry ? tracks[1] : heard;
      pictures.push([panel(`${wet.label} − ${dry.label}`, 'difference', 90), (each) => {
        if (spectrumOf(wet).bins === spectrumOf(dry).bins) each.spectrogram(spectrumOf(wet), view, find('scale').value, spectrumOf(dry).top, spectrumOf(dry));
      }]);
    }
    // Panels over time stand together, so that one playhead crosses them.
    if (kinds[0] === 'spectrogram') painters.unshift(...pictures); else painters.splice(1, 0, ...pictures);
    const nodes = painters.map(([each]) => each.node);
    panels = painters.map(([each]) => each);
    area.querySelectorAll('.panel').forEach((node) => { if (!nodes.includes(node)) node.remove(); });
    nodes.forEach((node) => { if (node.parentNode !== area) area.append(node); });
    if (nodes.some((node, i) => area.querySelectorAll('.panel')[i] !== node)) nodes.forEach((node) => area.append(node));
    painters.forEach(([each, work]) => work(each));
    movePlayhead();
  }

  function span(lines) {
    const values = lines.flatMap((line) => line.points.map(([, y]) => y)).filter((y) => y !== null && Number.isFinite(y)).sort((a, b) => a - b);
    const at = (q) => values[Math.floor(q * (values.length - 1))] || 0;
    return { low: 3 * Math.floor((Math.max(-48, Math.min(0, at(0.01))) - 1) / 3), high: 3 * Math.ceil((Math.min(48, Math.max(0, at(0.99))) + 1) / 3) };
  }

  function paintF0(each) {
    const lines = message.f0.map((line) => ({ label: line.label, points: line.values.map((f, i) => [i * line.hop, f > 0 ? f : null]) }));
    const target = drawn || message.drawn;
    if (target) lines.push({ label: 'drawn', points: target.map((f, i) => [i * message.f0[0].hop, f > 0 ? f : null]) });
    const values = lines.flatMap((line) => line.points.map(([, f]) => f)).filter(Boolean);
    each.lines(lines, view, { unit: 'Hz', log: true, low: Math.min(...values, 80) * 0.85, high: Math.max(...values, 160) * 1.2 });
  }

  // Drawing of F0: the line follows the pointer; frames between two places are filled.
  function listen(each) {
    let last = null;
    const place = (event) => { const box = each.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const draw = (x, y) => {
      const line = message.f0[0], index = Math.round(each.timeAt(x, view) / line.hop), value = Math.min(1200, Math.max(40, each.valueAt(y)));
      drawn = drawn || (message.drawn || line.values).slice();
      const [from, old] = last || [index, value];
      for (let i = Math.min(from, index); i <= Math.max(from, index); i++) {
        if (i >= 0 && i < drawn.length) drawn[i] = +(from === index ? value : old + (value - old) * (i - from) / (index - from)).toFixed(1);
      }
      last = [index, value];
      paintSoon();
    };
    each.canvas.addEventListener('pointerdown', (event) => {
      const [x, y] = place(event);
      if (each.kind === 'f0' && message.editable) { each.canvas.setPointerCapture(event.pointerId); last = null; draw(x, y); event.preventDefault(); }
      else if (each.kind !== 'response' && each.kind !== 'live') transport.seek(each.timeAt(x, view));
    });
    each.canvas.addEventListener('pointermove', (event) => {
      const [x, y] = place(event), { area } = each;
      if (last) draw(x, y);
      each.readout.textContent = area && each.read && x >= area.x && x <= area.x + area.w ? each.read(x, y) : '';
    });
    each.canvas.addEventListener('pointerleave', () => { each.readout.textContent = ''; });
    each.canvas.addEventListener('pointerup', () => {
      if (!last) return;
      last = null;
      props.value = { ...props.value, drawn };
      message = { ...message, drawn };
      trigger('draw', {});
    });
    each.canvas.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      if (event.ctrlKey) zoom(Math.exp(event.deltaY / 200), each.timeAt(place(event)[0], view));
      else pan((event.deltaX || event.deltaY) / 600);
    }, { passive: false });
  }

  function zoom(factor, around) {
    const whole = transport.duration, width = Math.min(whole, Math.max(0.02, (view.to - view.from) * factor));
    const part = (around - view.from) / (view.to - view.from);
    view.from = Math.min(Math.max(0, around - part * width), whole - width);
    view.to = view.from + width;
    paintSoon();
  }

  function pan(part) {
    const width = view.to - view.from;
    view.from = Math.min(Math.max(0, view.from + part * width), Math.max(0, transport.duration - width));
    view.to = view.from + width;
    paintSoon();
  }

  function paintLive() {
    const each = panels.find((one) => one.kind === 'live');
    if (!each) return;
    const dry = transport.tracks[0], lines = [{ label: `whole ${dry.label.toLowerCase()}`, points: meanOf(dry) }];
    if (transport.playing) {
      const node = transport.analyser, levels = new Float32Array(node.frequencyBinCount), width = ondes.sound.sampleRate / node.fftSize;
      node.getFloatFrequencyData(levels);
      // The analyser's window lowers a sine by 13.6 dB.
      lines.push({ label: 'now', points: ondes.inBands(levels, width, 13.6) });
    }
    each.lines(lines, null, { unit: 'dB', low: -100, high: 0 });
  }

  let lastLive = 0;
  function movePlayhead() {
    const line = find('playhead'), first = panels.find((each) => each.kind !== 'response' && each.kind !== 'live');
    const at = transport.position, inside = first && first.area && at >= view.from && at <= view.to && transport.duration > 0;
    line.hidden = !inside;
    if (inside) line.style.left = `${first.node.offsetLeft + first.xOf(at, view)}px`;
    const gain = panels.find((each) => each.kind === 'gain');
    if (gain && transport.playing) gain.readout.textContent = gainNow(at);
    const last = panels.filter((each) => each.kind !== 'response' && each.kind !== 'live').at(-1);
    if (inside && last) line.style.height = `${last.node.offsetTop + last.node.offsetHeight}px`;
    find('time').textContent = `${at.toFixed(2)} / ${transport.duration.toFixed(2)} s`;
    const slider = find('position');
    slider.max = transport.duration.toFixed(3);
    if (document.activeElement !== slider || transport.playing) slider.value = at;
    slider.setAttribute('aria-valuetext', `${at.toFixed(2)} seconds`);
  }

  function gainNow(seconds) {
    const track = transport.tracks.find((each) => each.name === transport.heard), dry = transport.tracks[0];
    if (!track || track === dry || track.name === 'null') return '';
    track.gains = track.gains || ondes.gainOverTime(track, dry);
    const found = track.gains[Math.min(track.gains.length - 1, Math.floor(seconds / transport.duration * track.gains.length))];
    return found && found[1] !== null ? `now ${found[1].toFixed(1).replace('-', '−')} dB` : '';
  }

  function tick() {
    if (!transport.playing) return;
    movePlayhead();
    const at = transport.position;
    // A zoomed view turns the page when the playhead leaves it.
    if ((at < view.from || at > view.to) && view.to - view.from < transport.duration - 0.01) pan((at - view.from) / (view.to - view.from));
    if (performance.now() - lastLive > 80) { lastLive = performance.now(); paintLive(); }
    requestAnimationFrame(tick);
  }

  let heardBefore = null;
  function show() {
    const button = find('play');
    button.textContent = transport.playing ? 'Stop' : 'Play';
    button.disabled = !transport.tracks.length;
    root.dataset.playing = transport.playing ? 'yes' : '';
    root.dataset.heard = transport.heard || '';
    root.querySelectorAll('[data-track]').forEach((each) => {
      const chosen = each.dataset.track === transport.heard;
      each.setAttribute('aria-checked', chosen);
      each.tabIndex = chosen ? 0 : -1;
    });
    const heard = transport.tracks.find((track) => track.name === transport.heard);
    const link = find('download');
    link.hidden = !heard || root.dataset.secret === 'yes';
    const about = message && message.about;
    for (const name of ['zip', 'link', 'code']) find(name).hidden = !about;
    if (about) { find('shell').textContent = about.shell; find('python').textContent = about.python; }
    if (heard && !link.hidden) { link.href = ondes.address(heard.path); link.download = `${heard.file || heard.name}.wav`; link.setAttribute('aria-label', `Download ${heard.label}`); }
    if (heardBefore !== transport.heard) { heardBefore = transport.heard; paintSoon(); }
    movePlayhead();
    if (transport.playing) requestAnimationFrame(tick);
  }

  find('play').addEventListener('click', () => (transport.playing ? transport.stop() : transport.play()));
  find('loop').addEventListener('change', (event) => transport.set({ loop: event.target.checked }));
  find('equal').addEventListener('change', (event) => transport.set({ equal: event.target.checked }));
  find('position').addEventListener('input', (event) => transport.seek(Number(event.target.value)));
  find('scale').addEventListener('change', () => paintSoon());
  find('every').addEventListener('change', () => paintSoon());
  find('closer').addEventListener('click', () => zoom(0.5, transport.position));
  find('wider').addEventListener('click', () => zoom(2, transport.position));
  find('zip').addEventListener('click', async () => {
    find('told').textContent = 'Packing.';
    try {
      const made = await server.pack_results(props.value), link = make('a', { href: ondes.address(made), download: 'ondes.zip' });
      link.click();
      find('told').textContent = 'The archive has the sounds and a README with their settings.';
    } catch (error) { find('told').textContent = 'This cannot be packed; make the sounds again.'; }
  });
  find('link').addEventListener('click', () => {
    const url = new URL(location.href);
    url.hash = new URLSearchParams(message.about.link).toString();
    history.replaceState(null, '', url);
    (navigator.clipboard ? navigator.clipboard.writeText(url.href) : Promise.reject()).then(
      () => { find('told').textContent = 'The link is copied; it restores these settings.'; },
      () => { find('told').textContent = 'The address of this page now restores these settings.'; });
  });
  find('continue').addEventListener('click', () => {
    props.value = { ...props.value, from: { name: transport.heard, seconds: transport.position } };
    trigger('extend', {});
  });
  root.addEventListener('keydown', (event) => {
    if (event.target.matches('select, input[type=text]') || event.ctrlKey || event.metaKey || event.altKey) return;
    const track = transport.tracks[Number(event.key) - 1], radio = event.target.closest('[role=radio]');
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (track) transport.hear(track.name);
    else if (radio && step) {
      const all = transport.tracks, next = all[(all.findIndex((each) => each.name === transport.heard) + step + all.length) % all.length];
      transport.hear(next.name);
      root.querySelector(`[data-track="${CSS.escape(next.name)}"]`).focus();
      event.preventDefault();
    }
  });
  new ResizeObserver(() => paintSoon()).observe(root);
  new MutationObserver(() => paintSoon()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  watch('value', update);
  update();
};

// Mark the results of a player as those of earlier settings.
ondes.stale = (id, value = true) => {
  const root = document.querySelector(`#${id} .player`);
  if (root && root.dataset.state === 'ready') root.dataset.stale = value ? 'yes' : '';
};
