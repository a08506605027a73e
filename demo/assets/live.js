// Plays audio that arrives in pieces: props.value = {run, rate, total, index, pieces: [base64 of int16], state}.
// `index` numbers the first piece of the message; pieces are sent again for some time, so that none is lost.
window.ondes = window.ondes || {};

ondes.live = ({ element, props, watch }) => {
  const root = element.querySelector('.live'), canvas = element.querySelector('canvas'), audible = element.querySelector('input');
  let gain = null, sources = [], next = 0, run = null, played = 0, samples = 0, peaks = [], total = 1;

  function stop() {
    for (const source of sources) source.stop();
    sources = [];
    next = 0;
  }

  function decode(piece) {
    const bytes = Uint8Array.from(atob(piece), (character) => character.charCodeAt(0));
    return Float32Array.from(new Int16Array(bytes.buffer), (integer) => integer / 32768);
  }

  function play(audio, rate) {
    const context = ondes.context();
    if (!gain) { gain = context.createGain(); gain.connect(context.destination); }
    gain.gain.value = audible.checked ? 1 : 0;
    const buffer = context.createBuffer(1, audio.length, rate), source = context.createBufferSource();
    buffer.copyToChannel(audio, 0);
    source.buffer = buffer;
    source.connect(gain);
    // After a gap there is a little delay before going on, so that the next piece is in time.
    if (next < context.currentTime + 0.02) next = context.currentTime + 0.12;
    source.start(next);
    next += buffer.duration;
    sources.push(source);
    source.onended = () => { sources = sources.filter((other) => other !== source); };
  }

  function keepPeaks(audio) {
    // One peak for each column of the final picture.
    for (let i = 0; i < audio.length; i++) {
      const column = Math.min(canvas.width - 1, Math.floor((samples + i) / total * canvas.width));
      peaks[column] = Math.max(peaks[column] || 0, Math.abs(audio[i]));
    }
    samples += audio.length;
  }

  function paint() {
    const { width, height } = canvas, pen = canvas.getContext('2d'), loudest = Math.max(0.1, ...peaks.filter(Boolean));
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(root).getPropertyValue('--color-accent') || '#0072b2';
    peaks.forEach((peak, x) => { const tall = Math.max(1, peak / loudest * (height - 6)); pen.fillRect(x, (height - tall) / 2, 1, tall); });
  }

  function update() {
    const value = props.value;
    if (!value || !value.run) return;
    if (value.run !== run) {
      stop();
      ondes.active?.stop();
      run = value.run; played = 0; samples = 0; peaks = []; total = Math.max(1, value.total);
    }
    value.pieces.forEach((piece, offset) => {
      if (value.index + offset < played) return;
      const audio = decode(piece);
      played = value.index + offset + 1;
      if (!audio.length) return;
      keepPeaks(audio);
      play(audio, value.rate);
    });
    Object.assign(root.dataset, { pieces: played, seconds: (samples / value.rate).toFixed(3), state: value.state });
    if (value.state === 'cancelled') stop();
    paint();
  }

  audible.addEventListener('change', () => { if (gain) gain.gain.value = audible.checked ? 1 : 0; });
  watch('value', update);
  update();
};
