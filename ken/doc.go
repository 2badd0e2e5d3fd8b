// Package ken prunes fine-tuned checkpoints. It selects the fine-tuned weights
// that a task keeps; all other weights are taken from the base.
//
// # Selections
//
// A selection picks weights within one row of a matrix; a tensor of one dimension
// is one row. With k the number of weights to keep, the selections are
//
//	ken        the values of the fine-tuned row that represent its density
//	           best (KEN, arXiv 2402.03142): see below
//	delta      the k largest |tuned - base|
//	magnitude  the k largest |tuned|
//	random     k columns, uniformly without replacement
//
// Every weight of a row that is selected from must be finite: a NaN or an
// infinity is an error that names the tensor, the row and the column.
//
// # Budgets
//
// The budget says what k, or the keep fraction, counts in: every row, as in the
// paper, or a whole tensor, or all tensors of the scope together. A tensor's or a
// model's budget keeps the k weights that come first in the order of
//
//	delta      falling |tuned - base| in float32
//	magnitude  falling |tuned|
//	random     a random number for each weight
//
// anywhere in the tensor or model. Equal weights are ordered by the tensor's name,
// then the row, then the column. KEN defines no order between rows, so it has no
// such budget. The k-th largest weight is found exactly, by counting in two passes
// over the tensors: memory holds some rows of one tensor, and the counts.
//
// Fine-tuning changes some layers far more than others. With few weights kept, a
// model's budget therefore loses much less than a budget for each row.
//
// # Factors
//
// A kept weight is stored as base + factor·(tuned - base), rounded to float32
// after every operation. With few weights kept, a factor above 1 makes up for much
// of what the dropped changes would have done; package auto fits it to a task's
// data. The best factor differs between the matrices of a layer and between
// layers. A tensor group (the same matrix of every layer, or all matrices of one
// layer) can therefore have a factor of its own, by which the common one is
// multiplied ([Options.Factors]).
//
// # Vectors
//
// Tensors of one dimension are biases and the scales and shifts of layer norms.
// They are a few thousandths of a model's weights but matter more than their
// number suggests. They can be kept whole, outside the budget and without the
// factor ([Options.WholeVectors]).
//
// # KEN
//
// The row's Gaussian kernel density (package kde) is taken at k points, spaced
// evenly from the row's smallest to its largest value, and rounded to whole
// numbers. The points are ordered by falling rounded density, equal ones from left
// to right. In this order each point takes the nearest value that no earlier point
// has taken. A distance is the float32 difference of the value and the float32
// nearest to the point; among equally near values the point takes the one with the
// lowest column. In the end every column whose value equals a taken value is kept,
// so that a row with duplicates can keep more than k.
//
// The masks equal those of the paper's published implementation under numpy 1.26,
// bit for bit. That implementation has no answer in some cases; this package
// defines them:
//
//   - k at or above the row's width keeps the whole row.
//   - A row whose standard deviation is 0 in float32 (a constant row, or one
//     whose squares underflow) is kept whole.
//   - Where densities exceed 2³⁰, they are rounded to a multiple of the power of
//     two that keeps the levels at 2³⁰ or below (kde.LevelUnit).
//   - A NaN or infinite value is an error.
//
// A row that equals the base's is not selected from, because a delta stores nothing
// of it. With a budget for each row, [Options.Masks] asks for its mask anyway.
//
// Time is O(n log n) for a row of n weights: sorting, a fast Gauss transform, and a
// set that finds the nearest remaining value in constant time. Remaining values
// are compared one by one only where many of them are equally near to a point
// after rounding to float32, which takes values closer together than the last bit
// of the distance.
package ken
