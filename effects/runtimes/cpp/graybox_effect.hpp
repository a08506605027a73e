// A gray box in plain C++: no library, no allocation, no lock; blocks of any size, without latency.
#pragma once

#include <cmath>
#include <utility>

#include "knobs.hpp"
#include "stages.hpp"
#include "weights.hpp"

class Effect {
 public:
  Knobs knobs;  // set and process on one thread, or pass changes to the audio thread by atomics

  // Starts a stream; there is nothing to allocate for blocks of any size.
  void prepare(int) { reset(); }

  // Back to the start of a stream.
  void reset() {
    for (Memories& channel : memories_) channel = Memories{};
    knobs.jump();
  }

  // The next samples, one channel after the other; input and output may be the same.
  void process(const float* input, float* output, int samples) {
    float normalised[num_knobs + 1];
    double parameters[num_parameters];
    knobs.advance(samples, normalised);
    find_parameters(normalised, parameters);
    const double* next = parameters;
    std::apply([&](auto&... stage) { ((stage.set(next), next += stage.num_parameters), ...); }, stages_);
    for (Memories& memories : memories_)
      for (int n = 0; n < samples; ++n) {
        const double dry = *input++;
        *output++ = static_cast<float>(chain(dry, memories, std::make_index_sequence<std::tuple_size_v<Stages>>()));
      }
  }

 private:
  using Memories = decltype(memories_of(Stages{}));

  template <std::size_t... index>
  double chain(double dry, Memories& memories, std::index_sequence<index...>) const {
    double x = dry;
    ((x = std::get<index>(stages_).step(x, dry, std::get<index>(memories))), ...);
    return x;
  }

  // The small network from knobs to the parameters of all stages, with a linear map beside it.
  static void find_parameters(const float* normalised, double* parameters) {
    double x[widest_layer], y[widest_layer];
    const double* weight = network;
    for (int i = 0; i < num_knobs; ++i) x[i] = normalised[i];
    for (int layer = 0; layer + 1 < num_layer_sizes; ++layer) {
      const bool is_last = layer + 2 == num_layer_sizes;
      for (int o = 0; o < layer_sizes[layer + 1]; ++o) {
        double sum = *weight++;  // the bias
        for (int i = 0; i < layer_sizes[layer]; ++i) sum += *weight++ * x[i];
        (is_last ? parameters : y)[o] = is_last ? sum : std::tanh(sum);
      }
      std::swap(x, y);
    }
    for (int o = 0; o < num_parameters; ++o)
      for (int i = 0; i < num_knobs; ++i) parameters[o] += *weight++ * normalised[i];
  }

  Stages stages_;
  Memories memories_[audio_channels];
};
