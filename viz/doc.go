// Package viz shows what a delta keeps of a fine-tuned model: the views of
// KENviz, from the paper "Less is KEN" (arXiv 2402.03142), and some more.
//
// A [Model] is a base with a delta over it. Its methods compute the numbers of
// a view; [Write] draws a view as PNG or SVG or writes its numbers as JSON;
// [WritePage] makes one HTML page of all views that needs nothing else, and
// [WriteFolder] that page with every picture as a file.
//
//	Kept        which values of a matrix are kept (single matrix view)
//	Neighbours  how many of the four values beside, above and below each kept
//	            value are kept too (neighbour count view)
//	Layers      either of the two for one type of matrix over all layers
//	            (layer-wise view)
//	Density     the density of one row, with the points at which KEN looks at
//	            it and the values that it keeps
//	Changes     the distribution of the changes from the base
//	Shares      the share kept by layer and type of tensor
//
// # What is kept
//
// A value is kept if the delta stores it. That is what the selection chose
// less what would be the base's value anyway, which a delta has no need to
// store: in a row of the embeddings whose word training never saw nothing is
// kept, whatever was selected. Tensors stored dense are kept whole.
//
// # Large matrices
//
// An embedding table of 30522 × 384 values has more values than a screen has
// pixels. The pictures of whole matrices therefore show blocks: each stands for
// a rectangle of values and its colour for the share of them that is kept, or
// for the mean number of kept neighbours of those. No value is left out and
// none is counted twice. Beside it a window shows every value of a small part
// as it is. Both sizes are bounded, so that a picture costs the same for any
// matrix.
//
// # What chance would do
//
// A selection that keeps half of a row keeps neighbours by chance. Beside the
// counts of neighbours stand those to expect if each row kept as many values as
// it does at columns drawn at random: see [Neighbours].
package viz
