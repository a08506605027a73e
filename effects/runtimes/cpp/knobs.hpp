// The knobs of an exported effect, with the place of each on its dial.
#pragma once

#include <cmath>
#include <cstring>

#include "description.hpp"

// Values in, normalised numbers out. Changes glide with the time constant of each knob, since jumps click.
class Knobs {
 public:
  Knobs() {
    for (int index = 0; index < num_knobs; ++index) set(index, knobs[index].value);
    jump();
  }

  // The number of a knob by its name; num_knobs: there is none of this name.
  static int find(const char* name) {
    int index = 0;
    while (index < num_knobs && std::strcmp(knobs[index].name, name) != 0) ++index;
    return index;
  }

  // Moves a knob; the value is in SI units or decibels.
  void set(int index, double value) {
    const Knob& knob = knobs[index];
    value = value < knob.least ? knob.least : value > knob.most ? knob.most : value;
    const double position = knob.is_logarithmic ? std::log(value / knob.least) / std::log(knob.most / knob.least)
                                                : (value - knob.least) / (knob.most - knob.least);
    target_[index] = norm_low + (norm_high - norm_low) * position;
  }

  // Ends all glides.
  void jump() {
    for (int index = 0; index < num_knobs; ++index) now_[index] = target_[index];
  }

  // Goes on by a block of samples, and writes num_knobs numbers for the network.
  void advance(int samples, float* normalised) {
    for (int index = 0; index < num_knobs; ++index) {
      const double constant = knobs[index].smoothing_ms * 1e-3 * sample_rate;
      now_[index] += (target_[index] - now_[index]) * (constant > 0 ? -std::expm1(-samples / constant) : 1.0);
      normalised[index] = static_cast<float>(now_[index]);
    }
  }

 private:
  double target_[num_knobs + 1] = {}, now_[num_knobs + 1] = {};
};
