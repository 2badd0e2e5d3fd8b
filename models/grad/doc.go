// Package grad computes the gradients of encoders.
//
// # Idea
//
// A family describes its encoder once more, as a trace: a sequence of operations on a
// [Tape], such as [Tape.Dense] and [Tape.Norm]. An operation computes its result at once and
// is recorded. Backward goes through the record from the end to the beginning; each
// operation adds to the gradients of its inputs and parameters. Sequences lie one after the
// other without padding, as in the forward pass that serves.
//
// [Encoder] is the interface for training: it owns the tape and the parameters. The layers
// after the encoder, the head, are only described, by [HeadLayers]; their gradients are the
// caller's. So is the update of the values.
//
// # Parameters
//
// Training changes a parameter in full, at kept positions alone, or not at all; see
// [Parameter]. Values and gradients are flat slices of equal length in all three cases. The
// values of a matrix are the panels that the products read, so that nothing is packed again
// after an update. An embedding table has values for the rows that were seen
// alone; the others are the base's.
//
// # Memory
//
// Results of cheap operations (layer norms, activations) are not kept between the passes but
// computed again from what is. If the rest takes more than Options.Keep, only the inputs of
// further layers are kept, and Backward computes these layers again.
//
// # Determinism
//
// Sums over rows have a fixed order, so that the bits of gradients do not depend on the
// number of workers. Dropout is a function of the seed, the step, the number of the sequence
// in its step, the place in the network, row and column.
package grad
