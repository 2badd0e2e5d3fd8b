// Package viz computes what a delta keeps of a fine-tuned model, for the views of KENviz
// from the paper "Less is KEN" (arXiv 2402.03142) and some more.
//
// A [Model] is a base with a delta applied. Its methods compute the numbers of a view:
//
//	Kept        which values of a matrix are kept (the paper's single matrix view)
//	Neighbours  how many of the four values left, right, above and below each kept
//	            value are kept too (neighbour count view)
//	Layers      one of the two for one type of matrix in all layers (layer-wise view)
//	Density     the density of one row, the points at which KEN takes it, and the
//	            values that are kept
//	Changes     the distribution of the changes from the base
//	Shares      the share kept, by layer and type of tensor
//
// The numbers of a view are also its JSON form. Package viz/figure draws a view as PNG or
// SVG. Package viz/page makes one HTML page of all views, and a folder of pictures.
//
// # Kept values
//
// A value is kept if the delta stores it: the selection chose it, and it differs from the
// base. In the embedding of a word that training never saw nothing is kept, whatever was
// selected. Tensors stored dense are kept whole.
//
// # Large matrices
//
// An embedding table of 30522 × 384 values has more values than a screen has pixels.
// Pictures of whole matrices therefore show blocks. A block is a rectangle of values, and
// its colour is the share of them that is kept, or the mean number of kept neighbours of
// those that are. Every value counts in exactly one block. A window beside the blocks
// shows a small part of the matrix value by value. Both sizes are bounded, so that a
// picture costs the same for a matrix of any size.
//
// # Comparison with chance
//
// A selection that keeps half of a row keeps neighbours by chance. Beside the observed
// counts of neighbours, a view has those to expect if every row kept as many values as it
// does, at columns drawn at random: see [Neighbours].
package viz
