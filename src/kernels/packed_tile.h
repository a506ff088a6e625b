/*
 * packed_tile.h
 *		The inner loop of the packed kernels, for each vector type.
 *
 * TCLS_TILE_BODY(name, ...) defines a body whose rows and panels are constants where it is
 * inlined: rows * panels * TCLS_TILE_VECTORS sums in registers, and for each step the weights of
 * the panels and one broadcast a row.  TCLS_TILE(body, rows, panels) makes a TclsTileFunction of it.
 *
 *		isa				for __attribute__((target))
 *		Vector			of sums
 *		weights			of one vector, in bytes of memory
 *		load(p)			weights from memory
 *		broadcast(p)	4 bytes of a row to all lanes
 *		add(sum, x, w)	sum + x * w
 */
#ifndef TEXTCLS_PACKED_TILE_H
#define TEXTCLS_PACKED_TILE_H

#include "kernels/packed_parts.h"

#define TCLS_TILE_BODY(name, isa, Vector, weights, load, broadcast, add) \
	static inline __attribute__((always_inline, target(isa))) void \
	name(const TclsTile *tile, const int rows, const int panels) \
	{ \
		Vector		sum[TCLS_TILE_MAX_ROWS][4 * TCLS_TILE_VECTORS]; \
		const char *x = tile->input; \
		const char *panel = tile->panel; \
		size_t		panel_stride = tile->panel_stride; \
		char	   *sums = tile->sums; \
		const size_t stride = tile->stride; \
		const size_t steps = tile->steps; \
		const int	vectors = panels * TCLS_TILE_VECTORS; \
		\
		_Pragma("GCC unroll 14") \
		for (int i = 0; i < rows; i++) \
			_Pragma("GCC unroll 8") \
			for (int j = 0; j < vectors; j++) \
				sum[i][j] = (Vector) {0}; \
		if (tile->accumulate) \
			_Pragma("GCC unroll 14") \
			for (int i = 0; i < rows; i++) \
				_Pragma("GCC unroll 8") \
				for (int j = 0; j < vectors; j++) \
					sum[i][j] = ((const Vector *) (sums + (size_t) i * stride))[j]; \
		for (size_t s = 0; s < steps; s++) \
		{ \
			Vector		w[4 * TCLS_TILE_VECTORS]; \
			\
			_Pragma("GCC unroll 8") \
			for (int j = 0; j < vectors; j++) \
				w[j] = (Vector) load(panel + (size_t) (j / TCLS_TILE_VECTORS) * panel_stride + \
									 j % TCLS_TILE_VECTORS * (weights)); \
			_Pragma("GCC unroll 14") \
			for (int i = 0; i < rows; i++) \
			{ \
				Vector		value = (Vector) broadcast(x + i * TCLS_TILE_ROW); \
				\
				_Pragma("GCC unroll 8") \
				for (int j = 0; j < vectors; j++) \
					sum[i][j] = (Vector) add(sum[i][j], value, w[j]); \
			} \
			x += 4; \
			panel += TCLS_TILE_VECTORS * (weights); \
		} \
		_Pragma("GCC unroll 14") \
		for (int i = 0; i < rows; i++) \
			_Pragma("GCC unroll 8") \
			for (int j = 0; j < vectors; j++) \
				((Vector *) (sums + (size_t) i * stride))[j] = sum[i][j]; \
	}

#define TCLS_TILE(body, isa, rows, panels) \
	static __attribute__((target(isa))) void \
	body##_##rows##x##panels(const TclsTile *tile) \
	{ \
		body(tile, rows, panels); \
	}

/* The functions of a tiling of at most 6 rows, and their table. */
#define TCLS_TILES_6(body, isa) \
	TCLS_TILE(body, isa, 1, 1) TCLS_TILE(body, isa, 2, 1) TCLS_TILE(body, isa, 3, 1) TCLS_TILE(body, isa, 4, 1) \
	TCLS_TILE(body, isa, 5, 1) TCLS_TILE(body, isa, 6, 1) TCLS_TILE(body, isa, 1, 4) TCLS_TILE(body, isa, 2, 2) \
	TCLS_TILE(body, isa, 3, 2)
#define TCLS_TILES_12(body, isa) \
	TCLS_TILES_6(body, isa) TCLS_TILE(body, isa, 7, 1) TCLS_TILE(body, isa, 8, 1) TCLS_TILE(body, isa, 9, 1) \
	TCLS_TILE(body, isa, 10, 1) TCLS_TILE(body, isa, 11, 1) TCLS_TILE(body, isa, 12, 1)
#define TCLS_TILES_14(body, isa) \
	TCLS_TILES_12(body, isa) TCLS_TILE(body, isa, 13, 1) TCLS_TILE(body, isa, 14, 1)

#define TCLS_TILE_LIST_6(body) body##_1x1, body##_2x1, body##_3x1, body##_4x1, body##_5x1, body##_6x1
#define TCLS_TILE_LIST_12(body) \
	TCLS_TILE_LIST_6(body), body##_7x1, body##_8x1, body##_9x1, body##_10x1, body##_11x1, body##_12x1
#define TCLS_TILE_LIST_14(body) TCLS_TILE_LIST_12(body), body##_13x1, body##_14x1
#define TCLS_TILE_LIST_WIDE(body) body##_1x4, body##_2x2, body##_3x2

#endif							/* TEXTCLS_PACKED_TILE_H */
