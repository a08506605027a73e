// Plays two clips together and lets the listener switch between them at any moment, without a gap.
// The files are those of the players that data-a and data-b name; both have one loudness already.
const root = element.querySelector('.compare');
const [play, change] = root.querySelectorAll('button');
const told = root.querySelector('[role=status]');
let context = null, sources = [], gains = [], heard = 0, playing = false;

const address = (id) => document.querySelector(`#${id} a[download]`)?.href;

async function decode(url) {
  const answer = await fetch(url);
  return context.decodeAudioData(await answer.arrayBuffer());
}

function show(text) {
  play.textContent = playing ? 'Stop' : 'Play both';
  change.textContent = `Switch to ${heard ? 'A' : 'B'}`;
  change.disabled = !playing;
  root.dataset.heard = playing ? 'AB'[heard] : '';
  told.textContent = text ?? (playing ? `You hear ${'AB'[heard]}.` : '');
}

function stop() {
  playing = false;
  for (const source of sources) { source.onended = null; try { source.stop(); } catch (error) { /* it has ended */ } }
  sources = [];
  show();
}

async function start() {
  const urls = [address(root.dataset.a), address(root.dataset.b)];
  if (!urls[0] || !urls[1]) return show('There is nothing to play yet; press Synthesise first.');
  context = context || new (window.AudioContext || window.webkitAudioContext)();
  await context.resume();
  const clips = await Promise.all(urls.map(decode));
  const begin = context.currentTime + 0.05;
  gains = clips.map((clip, index) => {
    const gain = context.createGain(), source = context.createBufferSource();
    gain.gain.value = index === heard ? 1 : 0;
    source.buffer = clip;
    source.connect(gain).connect(context.destination);
    source.start(begin);
    sources.push(source);
    return gain.gain;
  });
  sources[0].onended = stop;
  playing = true;
  show();
}

play.addEventListener('click', () => { if (playing) stop(); else start().catch((error) => show(`This cannot be played: ${error.message}`)); });
change.addEventListener('click', () => {
  heard = 1 - heard;
  // A short ramp: a jump would click.
  gains.forEach((gain, index) => gain.setTargetAtTime(index === heard ? 1 : 0, context.currentTime, 0.005));
  show();
});
show();
