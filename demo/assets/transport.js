// Clips that play in step and in a loop. Which one is heard changes at any moment, and so do its samples.
window.ondes = window.ondes || {};

// The browser allows sound after the first click; there is one context for the page.
ondes.context = () => {
  ondes.sound = ondes.sound || new (window.AudioContext || window.webkitAudioContext)();
  ondes.sound.resume();
  return ondes.sound;
};

ondes.address = (path) => new URL(`gradio_api/file=${path.split('/').map(encodeURIComponent).join('/')}`, document.baseURI).href;

// Read a file as the server writes it: 44 bytes of header, then 16-bit samples.
ondes.readWav = async (path) => {
  const answer = await fetch(ondes.address(path));
  if (!answer.ok) throw new Error('The server no longer has this sound; make it again.');
  const bytes = await answer.arrayBuffer(), head = new DataView(bytes);
  const count = head.getUint16(22, true), rate = head.getUint32(24, true), integers = new Int16Array(bytes, 44);
  const length = Math.floor(integers.length / count), channels = [];
  for (let c = 0; c < count; c++) {
    const samples = new Float32Array(length);
    for (let i = 0; i < length; i++) samples[i] = integers[i * count + c] / 32768;
    channels.push(samples);
  }
  return { channels, rate, seconds: length / rate };
};

ondes.Transport = class {
  // `changed` is called when the state changes: playing, heard.
  constructor(changed) {
    Object.assign(this, { changed, tracks: [], heard: null, playing: false, loop: true, equal: true, at: 0 });
  }

  get duration() { return Math.max(0, ...this.tracks.map((track) => track.seconds)); }

  get position() {
    if (!this.playing) return this.at;
    const passed = Math.max(0, ondes.sound.currentTime - this.origin);
    return this.loop ? passed % this.duration : Math.min(passed, this.duration);
  }

  // Take tracks {name, path, level_db, equal_db}; those that are heard now go on at the same position with the new samples.
  async load(tracks, prefer) {
    const number = this.loading = (this.loading || 0) + 1;
    const known = new Map(this.tracks.map((track) => [track.path, track]));
    const read = await Promise.all(tracks.map(async (track) => ({ ...(known.get(track.path) || await ondes.readWav(track.path)), ...track })));
    if (number !== this.loading) return false;
    const before = this.duration, old = this.tracks;
    this.tracks = read;
    if (!read.some((track) => track.name === this.heard)) this.heard = (read.find((track) => track.name === prefer) || read[0] || { name: null }).name;
    const sameLength = Math.abs(this.duration - before) < 0.002;
    if (!sameLength) this.at = 0;
    if (this.playing && sameLength) {
      const kept = new Set(read.map((track) => track.voice));
      for (const track of old) if (!kept.has(track.voice)) this.#silence(track);
      const when = ondes.sound.currentTime + 0.02;
      for (const track of read) if (!track.voice) this.#sound(track, when);
      this.#level();
    } else if (this.playing) { old.forEach((track) => this.#silence(track)); this.playing = false; this.play(); }
    this.changed();
    return true;
  }

  play() {
    if (this.playing || !this.tracks.length) return;
    if (ondes.active && ondes.active !== this) ondes.active.stop();
    ondes.active = this;
    const context = ondes.context(), when = context.currentTime + 0.04;
    if (!this.analyser) {
      this.analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0.7 });
      this.analyser.connect(context.destination);
    }
    if (this.at >= this.duration - 0.01) this.at = 0;
    this.origin = when - this.at;
    this.playing = true;
    for (const track of this.tracks) this.#sound(track, when);
    this.changed();
  }

  stop() {
    if (!this.playing) return;
    this.at = this.position;
    this.playing = false;
    this.tracks.forEach((track) => this.#silence(track));
    this.changed();
  }

  seek(seconds) {
    const playing = this.playing;
    this.stop();
    this.at = Math.min(Math.max(0, seconds), Math.max(0, this.duration - 0.02));
    if (playing) this.play(); else this.changed();
  }

  hear(name) { this.heard = name; this.#level(); this.changed(); }

  set(settings) { // loop, equal
    Object.assign(this, settings);
    if ('loop' in settings && this.playing) this.seek(this.position); else this.#level();
  }

  #gain(track) { return track.name === this.heard ? 10 ** ((this.equal ? track.equal_db : track.level_db) / 20) : 0; }

  #level() {
    // A short ramp: a jump would click.
    for (const track of this.tracks) track.voice?.volume.gain.setTargetAtTime(this.#gain(track), ondes.sound.currentTime, 0.006);
  }

  #sound(track, when) {
    const context = ondes.sound, length = Math.ceil(this.duration * track.rate);
    const buffer = context.createBuffer(track.channels.length, length, track.rate);
    track.channels.forEach((samples, c) => buffer.copyToChannel(samples, c));
    const source = new AudioBufferSourceNode(context, { buffer, loop: this.loop, loopEnd: this.duration });
    const fade = new GainNode(context, { gain: 0 }), volume = new GainNode(context, { gain: this.#gain(track) });
    source.connect(fade).connect(volume).connect(this.analyser);
    fade.gain.setValueAtTime(0, when);
    fade.gain.linearRampToValueAtTime(1, when + 0.015);
    const passed = when - this.origin;
    source.start(when, this.loop ? passed % this.duration : passed);
    track.voice = { source, fade, volume };
    const voice = track.voice;
    source.onended = () => { if (this.playing && track.voice === voice) { this.stop(); this.at = 0; this.changed(); } };
  }

  #silence(track) {
    if (!track.voice) return;
    const { source, fade } = track.voice, now = ondes.sound.currentTime;
    track.voice = null;
    fade.gain.setTargetAtTime(0, now + 0.02, 0.006);
    source.stop(now + 0.1);
  }
};
