/*
 * json_pool.h
 *		A fast allocator for jansson while fuzzing, which knows whether all was released.
 *
 * Under the sanitizer's own malloc parsing takes nine tenths of a run.
 */
#ifndef TEXTCLS_JSON_POOL_H
#define TEXTCLS_JSON_POOL_H

/* Call before a run and after it; the second aborts when a value of jansson is still held. */
extern void json_pool_begin(void);
extern void json_pool_end(void);

#endif							/* TEXTCLS_JSON_POOL_H */
