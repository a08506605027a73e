// An exported effect in ONNX Runtime, block by block, with its states kept between blocks.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <vector>

#include "knobs.hpp"
#include "states.hpp"

class Effect {
 public:
  Knobs knobs;  // set and process on one thread, or pass changes to the audio thread by atomics

  explicit Effect(const ORTCHAR_T* graph = ORT_TSTR("step.onnx"))
      : session_(environment_, graph, options()),
        memory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)) {
    for (auto& buffers : buffers_)
      for (const State& state : states()) buffers.emplace_back(state.element_bytes * product(state.shape), 0);
  }

  // Allocates for blocks of this size, and starts the stream; call it for each size that the host will send.
  void prepare(int samples) {
    bind(samples);
    std::vector<float> silence(static_cast<std::size_t>(audio_channels) * samples);
    process(silence.data(), silence.data(), samples);  // the first call of a size makes the graph allocate
    reset();
  }

  // Back to the start of a stream.
  void reset() {
    for (auto& buffers : buffers_)
      for (auto& buffer : buffers) std::fill(buffer.begin(), buffer.end(), 0);
    turn_ = 0;
    knobs.jump();
  }

  // The next samples, one channel after the other; input and output may be the same. Throws for a size not prepared.
  void process(const float* input, float* output, int samples) {
    Binding& binding = bindings_.at(samples)[turn_];
    std::copy_n(input, binding.input.size(), binding.input.begin());
    knobs.advance(samples, normalised_);
    session_.Run(run_options_, binding.ports);
    std::copy_n(binding.output.begin(), binding.output.size(), output);
    turn_ = 1 - turn_;
  }

 private:
  // Tensors of one size of blocks, bound once, so that a call makes none.
  struct Binding {
    std::vector<float> input, output;
    Ort::IoBinding ports{nullptr};
  };
  using Buffers = std::vector<std::vector<unsigned char>>;

  static Ort::SessionOptions options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // no thread of its own: everything runs on the caller's
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    return options;
  }

  static std::size_t product(const std::vector<std::int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
  }

  Ort::Value tensor(float* data, const std::vector<std::int64_t>& shape) {
    return Ort::Value::CreateTensor<float>(memory_, data, product(shape), shape.data(), shape.size());
  }

  Ort::Value tensor(const State& state, std::vector<unsigned char>& buffer) {
    const auto& shape = state.shape;
    return Ort::Value::CreateTensor(memory_, buffer.data(), buffer.size(), shape.data(), shape.size(), state.type);
  }

  void bind(int samples) {
    // A state has two buffers: one is read and the other written, and in the next call the other way round.
    for (int turn = 0; turn < 2; ++turn) {
      Binding& binding = bindings_[samples][turn];
      const std::vector<std::int64_t> shape{1, audio_channels, samples};
      binding.input.resize(product(shape));
      binding.output.resize(product(shape));
      binding.ports = Ort::IoBinding(session_);
      binding.ports.BindInput("audio", tensor(binding.input.data(), shape));
      if (num_knobs > 0) binding.ports.BindInput("knobs", tensor(normalised_, {1, num_knobs}));
      binding.ports.BindOutput("output", tensor(binding.output.data(), shape));
      std::size_t index = 0;
      for (const State& state : states()) {
        const int read = state.in_place ? 0 : turn, written = state.in_place ? 0 : 1 - turn;
        binding.ports.BindInput(state.input, tensor(state, buffers_[read][index]));
        binding.ports.BindOutput(state.output, tensor(state, buffers_[written][index]));
        ++index;
      }
    }
  }

  Ort::Env environment_{ORT_LOGGING_LEVEL_WARNING, "ondes"};
  Ort::Session session_;
  Ort::MemoryInfo memory_;
  Ort::RunOptions run_options_;
  float normalised_[num_knobs + 1] = {};
  Buffers buffers_[2];
  std::map<int, std::array<Binding, 2>> bindings_;
  int turn_ = 0;
};
