// Sends raw mono samples (32-bit floats) through an exported effect, and turns its knobs on the way:
//
//   ./example input.f32 output.f32 threshold=-30@22050 ratio=2@44100
//
// sets a knob at the block that contains the sample; without @ from the start. Values are in SI units or decibels.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "effect.hpp"

struct Change {
  int knob;
  double value;
  std::size_t at;
};

static bool read_change(const char* text, Change& change) {
  const char* equal = std::strchr(text, '=');
  if (equal == nullptr) return false;
  const char* place = std::strchr(equal, '@');
  const std::string name(text, equal);
  char* end;
  change = {Knobs::find(name.c_str()), std::strtod(equal + 1, &end), place ? std::strtoull(place + 1, nullptr, 10) : 0};
  return change.knob < num_knobs && end != equal + 1;
}

static int play(int count, char** arguments) {
  std::FILE* source = std::fopen(arguments[1], "rb");
  if (source == nullptr) return std::fprintf(stderr, "%s cannot be read\n", arguments[1]), 1;
  std::vector<float> audio;
  for (float sample; std::fread(&sample, sizeof sample, 1, source) == 1;) audio.push_back(sample);
  std::fclose(source);
  if (!audio.empty() && std::memcmp(audio.data(), "RIFF", 4) == 0)
    return std::fprintf(stderr, "%s is a WAV file; expected raw samples\n", arguments[1]), 1;

  std::vector<Change> changes(count - 3);
  for (int index = 3; index < count; ++index)
    if (!read_change(arguments[index], changes[index - 3])) {
      std::fprintf(stderr, "%s: expected KNOB=VALUE or KNOB=VALUE@SAMPLE, with a knob of:", arguments[index]);
      for (int knob = 0; knob < num_knobs; ++knob) std::fprintf(stderr, " %s", knobs[knob].name);
      return std::fprintf(stderr, "\n"), 2;
    }

  const std::size_t block = (64 + block_multiple - 1) / block_multiple * block_multiple, length = audio.size();
  audio.resize((length + block - 1) / block * block);
  Effect effect;
  for (const Change& change : changes)
    if (change.at == 0) effect.knobs.set(change.knob, change.value);
  effect.prepare(static_cast<int>(block));
  for (std::size_t start = 0; start < audio.size(); start += block) {
    for (const Change& change : changes)
      if (change.at >= start && change.at < start + block) effect.knobs.set(change.knob, change.value);
    effect.process(&audio[start], &audio[start], static_cast<int>(block));
  }

  std::FILE* target = std::fopen(arguments[2], "wb");
  const bool is_open = target != nullptr;
  const bool is_written = is_open && std::fwrite(audio.data(), sizeof(float), length, target) == length;
  if ((is_open && std::fclose(target) != 0) || !is_written)
    return std::fprintf(stderr, "%s cannot be written\n", arguments[2]), 1;
  return 0;
}

int main(int count, char** arguments) {
  static_assert(audio_channels == 1, "this example reads one channel; Effect takes all of them");
  if (count < 3) return std::fprintf(stderr, "usage: %s input.f32 output.f32 [KNOB=VALUE@SAMPLE ...]\n", arguments[0]), 2;
  try {
    return play(count, arguments);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
}
