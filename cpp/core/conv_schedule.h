// Blocks, tasks and workspace of each family: what `schedule` is made of, and the facts about a
// problem that choosing and scheduling share.
#pragma once

#include "core/grid.h"
#include "core/unit.h"

namespace fastconv {

struct Machine {
  const DTypeTable& table;
  Index element;  // bytes
  Index cache;    // bytes of the second-level cache that one task may fill
  int threads;
  bool keeps_weights;  // packing them costs nothing
};

inline Index multiply_adds(const ConvProblem& p) {
  // Of a transposed convolution every input meets every kernel element; of a convolution, every
  // output.
  const Index points = p.transposed ? p.in.product() : p.out.product();
  return p.batch * p.out_channels * p.group_in() * points * p.kernel.product();
}

// One packed weight costs about as much as fifty of its multiply-adds, which packing makes a tenth
// faster.
inline bool packs_weights(const ConvProblem& p) {
  constexpr Index kLeastPixels = 600;
  return p.batch * (p.transposed ? p.in.product() : p.out.product()) >= kLeastPixels;
}

// Whether the weights of an output channel adjoin, in the order of input channels and kernel
// elements.
inline bool adjoining_weights(const ConvProblem& p) {
  Index next = 1;
  for (int a = kAxes - 1; a >= 0; --a) {
    if (p.kernel[a] > 1 && p.w.spatial[a] != next) return false;
    next *= p.kernel[a];
  }
  return p.group_in() <= 1 || p.w.channel == next;
}

// Output pixels of all images up to which conv_few_pixels.inl keeps a list.
inline constexpr Index kMostFewPixels = 1024;

// The largest of equal shares of `total` that is at most `most`.
inline Index even_share(Index total, Index most) {
  const Index all = larger(1, total);
  return ceil_div(all, ceil_div(all, larger(1, most)));
}

// Winograd's algorithm: why it cannot take a problem (null when it can), or with the tiles of a
// family, whether it is worth its errors and transforms, and which tile is.
const char* winograd_declines(const ConvProblem& p);
const char* winograd_declines(const ConvProblem& p, Family family);
bool winograd_suits(const ConvProblem& p, const DTypeTable& table, bool keeps_weights);
Family pick_winograd(const ConvProblem& p, const DTypeTable& table, bool keeps_weights,
                     const char*& why);

// The Fourier transform: likewise.
const char* fft_declines(const ConvProblem& p);
bool fft_suits(const ConvProblem& p, const DTypeTable& table);

// How blocks of pixels and panels of output channels become tasks.
struct PanelCut {
  bool in_passing;  // each task packs the weights of its panels; else phase 0 packs all
  Index blocks;     // of each unit's pixels
  Index parts;      // of the output channels
};

// The cut with the lowest estimate. `units` are what there is besides (images, phases, groups, of
// which `groups` have weights of their own), each of `pixels` in at least `least_blocks` blocks;
// `panel` is how many output channels a panel has.
// `given` is how a kernel would cut after a phase of its own that packs. Preparing a pixel costs
// `prepare` times as much as its products with one vector of output channels.
PanelCut cut_panels(const ConvProblem& p, const Machine& m, Index units, Index pixels, Index panel,
                    Index least_blocks, Index most_blocks, double prepare, PanelCut given);

// One function per way of cutting; each fills in all of `plan` but family, isa, threads and reason.
// Rows of a panel of so many bytes each that stay in the first-level cache together.
Index panel_depth(Index rows, Index row_bytes);
void schedule_direct_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_direct_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_im2col_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_channels_last(const ConvProblem& p, const Machine& m, bool unfold, ConvPlan& plan);
void schedule_depthwise_channels_last(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_rows(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_rows_in_place(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_winograd(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_matrix(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_matrix_unfolded(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_few_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_transposed_planar(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_transposed_pixels(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_depthwise_turned(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_fft(const ConvProblem& p, const Machine& m, ConvPlan& plan);
void schedule_plain(const ConvProblem& p, const Machine& m, ConvPlan& plan);

}  // namespace fastconv
