// Plays audio that arrives in pieces: props.value = {run, rate, index, pieces: [base64 of int16], state}.
// `index` numbers the first piece of the message; pieces are sent again for some time, so that none is lost.
const root = element.querySelector('.live');
const canvas = element.querySelector('canvas');
const audible = element.querySelector('input');
let context = null, gain = null, sources = [], next = 0, run = null, played = 0, samples = 0, peaks = [], total = 1;

function stop() {
  for (const source of sources) { try { source.stop(); } catch (error) { /* it has ended already */ } }
  sources = [];
  next = 0;
}

function decode(piece) {
  const bytes = Uint8Array.from(atob(piece), (character) => character.charCodeAt(0));
  const integers = new Int16Array(bytes.buffer);
  return Float32Array.from(integers, (integer) => integer / 32768);
}

function play(audio, rate) {
  if (!context) {
    context = new (window.AudioContext || window.webkitAudioContext)();
    gain = context.createGain();
    gain.connect(context.destination);
  }
  context.resume();
  gain.gain.value = audible.checked ? 1 : 0;
  const buffer = context.createBuffer(1, audio.length, rate);
  buffer.copyToChannel(audio, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(gain);
  // After a gap there is a little delay before going on, so that the next piece is in time.
  if (next < context.currentTime + 0.02) next = context.currentTime + 0.12;
  source.start(next);
  next += buffer.duration;
  sources.push(source);
  source.onended = () => { sources = sources.filter((other) => other !== source); };
}

function keepPeaks(audio, width) {
  // One peak for each column of the final picture.
  for (let i = 0; i < audio.length; i++) {
    const column = Math.min(width - 1, Math.floor((samples + i) / total * width));
    peaks[column] = Math.max(peaks[column] || 0, Math.abs(audio[i]));
  }
  samples += audio.length;
}

function paint() {
  const width = canvas.width, height = canvas.height, pen = canvas.getContext('2d');
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(root);
  pen.fillStyle = style.getPropertyValue('--color-accent') || '#0072b2';
  const loudest = Math.max(0.1, ...peaks.filter((peak) => peak));
  peaks.forEach((peak, x) => { const tall = Math.max(1, peak / loudest * (height - 6)); pen.fillRect(x, (height - tall) / 2, 1, tall); });
}

function update() {
  const value = props.value;
  if (!value || !value.run) return;
  if (value.run !== run) {
    stop();
    run = value.run; played = 0; samples = 0; peaks = []; total = Math.max(1, value.total);
    root.dataset.seconds = '0';
  }
  value.pieces.forEach((piece, offset) => {
    if (value.index + offset < played) return;
    const audio = decode(piece);
    played = value.index + offset + 1;
    if (!audio.length) return;
    keepPeaks(audio, canvas.width);
    try { play(audio, value.rate); } catch (error) { console.warn('no live playback:', error); }
  });
  root.dataset.pieces = played;
  root.dataset.seconds = (samples / value.rate).toFixed(3);
  root.dataset.state = value.state;
  if (value.state === 'cancelled') stop();
  paint();
}

audible.addEventListener('change', () => { if (gain) gain.gain.value = audible.checked ? 1 : 0; });
watch('value', update);
update();
