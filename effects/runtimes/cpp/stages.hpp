// The stages of gray boxes, sample by sample. Each takes its parameters once per block.
#pragma once

#include <algorithm>
#include <cmath>
#include <tuple>

#include "description.hpp"

namespace stage_constants {
constexpr double pi = 3.14159265358979323846, ln_9 = 2.19722457733621938279, decibel = 0.11512925464970228420;
}

// Compressor or expander: level in dB, static curve with a knee, smoothing in dB, make-up gain.
class Dynamics {
 public:
  static constexpr int num_parameters = 6;
  struct Memory {
    double gain_db = 0;
  };

  void set(const double* p) {
    threshold_ = 20 * p[0] - 20;
    slope_ = -(0.5 + p[1]);
    width_ = 0.3 * std::exp(std::clamp(p[2], -6.0, 6.0));
    fall_ = coefficient(p[3]);
    rise_ = coefficient(p[4]);
    makeup_ = p[5];
  }

  double step(double x, double, Memory& memory) const {
    const double level = std::log(std::abs(x) + 1e-8) / stage_constants::decibel;
    const double above = (level - threshold_) / width_;
    const double gain = slope_ * width_ * (above > 20 ? above : std::log1p(std::exp(above)));
    const double left = gain < memory.gain_db ? fall_ : rise_;
    memory.gain_db = gain + left * (memory.gain_db - gain);
    return x * std::exp(stage_constants::decibel * (memory.gain_db + makeup_));
  }

 private:
  static double coefficient(double time) {
    return std::exp(-stage_constants::ln_9 / (sample_rate * 0.01 * std::exp(std::clamp(time, -9.0, 9.0))));
  }
  double threshold_, slope_, width_, fall_, rise_, makeup_;
};

// Second-order sections in series.
template <int num_sections>
class Filter {
 public:
  static constexpr int num_parameters = 5 * num_sections;
  struct Memory {
    double x[num_sections][2] = {}, y[num_sections][2] = {};
  };

  void set(const double* p) {
    for (int section = 0; section < num_sections; ++section, p += 5) {
      const double centre = 60 * std::pow(100.0, (section + 0.5) / num_sections);
      const double wanted = centre * std::exp(2 * std::clamp(p[0], -9.0, 9.0));
      const double g = std::tan(stage_constants::pi * std::clamp(wanted, 2.0, 0.49 * sample_rate) / sample_rate);
      const double damping = std::sqrt(2.0) * std::exp(-std::clamp(p[1], -4.0, 4.0)) * g;
      const double low = (1 + p[2]) * g * g, band = (1 + p[3]) * damping, high = 1 + p[4];
      const double scale = 1 / (1 + damping + g * g);
      double* c = coefficients_[section];
      c[0] = (high + band + low) * scale;
      c[1] = 2 * (low - high) * scale;
      c[2] = (high - band + low) * scale;
      c[3] = 2 * (g * g - 1) * scale;
      c[4] = (1 - damping + g * g) * scale;
    }
  }

  double step(double input, double, Memory& memory) const {
    for (int section = 0; section < num_sections; ++section) {
      const double* c = coefficients_[section];
      double(&x)[2] = memory.x[section], (&y)[2] = memory.y[section];
      const double output = c[0] * input + c[1] * x[0] + c[2] * x[1] - c[3] * y[0] - c[4] * y[1];
      x[1] = x[0], x[0] = input;
      y[1] = y[0], y[0] = output;
      input = output;
    }
    return input;
  }

 private:
  double coefficients_[num_sections][5];
};

// A transfer curve: the input plus a sum of hyperbolic tangents.
template <int num_curves>
class Shaper {
 public:
  static constexpr int num_parameters = 3 * num_curves + 1;
  struct Memory {};

  void set(const double* p) {
    linear_ = 1 + p[0];
    for (int curve = 0; curve < num_curves; ++curve) {
      const double slope = 0.5 * std::pow(100.0, num_curves > 1 ? curve / (num_curves - 1.0) : 0.0);
      size_[curve] = p[1 + curve] / std::sqrt(slope);
      slope_[curve] = slope * std::exp(p[1 + num_curves + curve]);
      offset_[curve] = p[1 + 2 * num_curves + curve];
      rest_[curve] = std::tanh(offset_[curve]);
    }
  }

  double step(double x, double, Memory&) const {
    double y = linear_ * x;
    for (int curve = 0; curve < num_curves; ++curve)
      y += size_[curve] * (std::tanh(slope_[curve] * x + offset_[curve]) - rest_[curve]);
    return y;
  }

 private:
  double linear_, size_[num_curves], slope_[num_curves], offset_[num_curves], rest_[num_curves];
};

// A blend of the processed with the dry audio.
class Blend {
 public:
  static constexpr int num_parameters = 2;
  struct Memory {};

  void set(const double* p) { wet_ = 1 + p[0], added_ = p[1]; }
  double step(double x, double dry, Memory&) const { return wet_ * x + added_ * dry; }

 private:
  double wet_, added_;
};

template <class... Stage>
std::tuple<typename Stage::Memory...> memories_of(std::tuple<Stage...>);
