// Spectra of clips for pictures: Fourier transform, spectrogram, levels.
window.ondes = window.ondes || {};

// Transform in place; the length is a power of two.
ondes.fft = (real, imaginary) => {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [real[i], real[j]] = [real[j], real[i]]; [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1, { cos, sin } = ondes.turns(size);
    for (let start = 0; start < n; start += size) {
      for (let k = 0, i = start, j = start + half; k < half; k++, i++, j++) {
        const x = real[j] * cos[k] - imaginary[j] * sin[k], y = real[j] * sin[k] + imaginary[j] * cos[k];
        real[j] = real[i] - x; imaginary[j] = imaginary[i] - y;
        real[i] += x; imaginary[i] += y;
      }
    }
  }
};

ondes.turns = (size) => {
  const known = ondes.turns.known = ondes.turns.known || {};
  return known[size] = known[size] || {
    cos: Float64Array.from({ length: size / 2 }, (_, k) => Math.cos(2 * Math.PI * k / size)),
    sin: Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin(2 * Math.PI * k / size)),
  };
};

// Levels in dB of frames of about 45 ms, about `most` of them at most; a sine at full scale has 0 dB.
ondes.spectrogram = (samples, rate, most = 1200) => {
  const n = 2 ** Math.round(Math.log2(0.045 * rate)), bins = n / 2 + 1;
  const hop = Math.max(Math.round(0.005 * rate), Math.ceil(samples.length / most));
  const frames = Math.max(1, Math.ceil(samples.length / hop)), levels = new Float32Array(frames * bins);
  const window = Float32Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / n));
  const real = new Float64Array(n), imaginary = new Float64Array(n), scale = 4 / n;
  const fill = (target, frame) => {
    const start = frame * hop - n / 2;
    for (let i = 0; i < n; i++) target[i] = (samples[start + i] || 0) * window[i];
  };
  // Two real frames at once: one is the real part, one the imaginary part.
  for (let frame = 0; frame < frames; frame += 2) {
    fill(real, frame); fill(imaginary, frame + 1);
    ondes.fft(real, imaginary);
    for (let k = 0; k < bins; k++) {
      const m = (n - k) % n, a = real[k] + real[m], b = imaginary[k] - imaginary[m];
      const c = imaginary[k] + imaginary[m], d = real[m] - real[k];
      levels[frame * bins + k] = ondes.decibels((a * a + b * b) * scale * scale / 4);
      if (frame + 1 < frames) levels[(frame + 1) * bins + k] = ondes.decibels((c * c + d * d) * scale * scale / 4);
    }
  }
  let top = -60;
  for (const level of levels) if (level > top) top = level;
  return { frames, bins, levels, top, hopSeconds: hop / rate, rate };
};

ondes.decibels = (power) => 10 * Math.log10(power + 1e-12);

// Levels of sixths of an octave from 30 Hz, from levels in dB of bins `width` Hz apart: [[Hz, dB], ...].
ondes.inBands = (levels, width, gain = 0) => {
  const points = [];
  for (let f = 30; f < 0.96 * width * (levels.length - 1); f *= 2 ** (1 / 6)) {
    const low = Math.max(1, Math.round(f * 2 ** (-1 / 12) / width)), high = Math.max(low, Math.round(f * 2 ** (1 / 12) / width));
    let sum = 0;
    for (let k = low; k <= Math.min(high, levels.length - 1); k++) sum += 10 ** (levels[k] / 10);
    points.push([f, Math.max(-100, ondes.decibels(sum) + gain)]);
  }
  return points;
};

// The same of the mean power of a whole clip.
ondes.meanSpectrum = ({ frames, bins, levels, rate }) => {
  const power = new Float64Array(bins);
  for (let i = 0; i < frames * bins; i++) power[i % bins] += 10 ** (levels[i] / 10) / frames;
  return ondes.inBands(power.map(ondes.decibels), rate / 2 / (bins - 1));
};

// Level of `wet` relative to `dry` in frames of 10 ms or more: [[s, dB], ...]; null where `dry` is silent.
ondes.gainOverTime = (wet, dry) => {
  const hop = Math.max(Math.round(0.01 * dry.rate), Math.ceil(dry.channels[0].length / 500)), points = [];
  const power = (track, start) => {
    let sum = 0;
    for (const samples of track.channels) for (let i = start; i < start + hop; i++) sum += (samples[i] || 0) ** 2;
    return sum / hop / track.channels.length;
  };
  for (let start = 0; start + hop <= dry.channels[0].length; start += hop) {
    const under = ondes.decibels(power(dry, start));
    points.push([(start + hop / 2) / dry.rate, under > -60 ? ondes.decibels(power(wet, start)) - under + wet.level_db - dry.level_db : null]);
  }
  return points;
};
