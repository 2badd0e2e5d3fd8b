// Package ken prunes fine-tuned checkpoints: it chooses which fine-tuned
// weights a task keeps, so that everything else can be the base's.
//
// A rowSelector chooses within one row of a matrix; a one-dimensional tensor is
// one row. With k the number of weights to keep, the selections are
//
//	ken        the values of the fine-tuned row that represent its density
//	           best (KEN, arXiv 2402.03142): see below
//	delta      the k largest |tuned - base|
//	magnitude  the k largest |tuned|
//	random     k columns, uniformly without replacement
//
// # Budgets
//
// What k, or a share of the weights, counts in is the budget: each row, as in
// the paper, or a whole tensor, or all tensors of the scope together. In the
// latter two the k weights are kept that are first in the order of
//
//	delta      falling |tuned - base| in float32
//	magnitude  falling |tuned|
//	random     a random number for each weight
//
// anywhere in the tensor or the model; of equal ones those first in the order of
// the tensors' names, of rows and of columns. KEN has no such order between
// rows. The k-th largest is found exactly, by counting in two passes over the
// tensors: memory holds some rows of one tensor, and the counts.
//
// Fine-tuning changes some layers far more than others, so that with few
// weights kept a model's budget loses much less than one for each row.
//
// # Factors
//
// A kept weight is base + factor·(tuned - base), in float32 after every
// operation. With few weights kept a factor above 1 makes up for much of what
// the others would have done; package auto fits it to a task's data. What
// fits best differs between the matrices of a layer and between layers, so tensors
// of a kind, or of a layer, can have a factor of their own beside it ([Options.Factors]).
//
// # Vectors
//
// Tensors of one dimension, biases and the scales and shifts of layer norms,
// are some thousandths of a model and matter more than their number. They can
// be kept whole, beside the budget and without the factor.
//
// # KEN
//
// The row's Gaussian kernel density (package kde) is taken at k points spaced
// evenly from its smallest to its largest value, rounded to whole numbers. The
// points, ordered by falling rounded density and from left to right where it
// is equal, each take the nearest value that is not taken yet. A distance is
// the float32 difference of the value and the float32 nearest to the point; of
// values equally near, the one with the lowest column is taken. In the end
// every column whose value equals a taken one is kept, so that a row with
// duplicates can keep more than k.
//
// The masks are those of the paper's published implementation under numpy 1.26,
// bit for bit. Where that implementation has no answer, this is the rule:
//
//   - k at or above the row's width keeps the whole row.
//   - A row whose standard deviation is 0 in float32 (a constant row, or one
//     whose squares underflow) is kept whole.
//   - Where densities exceed 2³⁰, they are rounded to the multiple of a power
//     of two that keeps the levels below it (kde.LevelUnit).
//   - Values that are NaN or infinite are an error, a valueError.
//
// Whether a row differs from the base at all is for the caller to look at
// first: a row that does not is not selected from.
//
// Time is O(n log n) a row: sorting, a fast Gauss transform, and a set that
// finds the nearest remaining value in constant time. Only where many remaining
// values are equally near to a point after rounding to float32, which takes
// values closer together than the distance's last bit, are they looked at one
// by one.
package ken
