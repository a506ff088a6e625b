/*
 * pure_c.h
 *		The fence: a file of the core includes this last, and does not compile
 *		once it has seen a server header.
 */
#ifndef TEXTCLS_PURE_C_H
#define TEXTCLS_PURE_C_H

#ifdef POSTGRES_H
#error "the core is plain C: no file below the fence may include postgres.h"
#endif

#endif							/* TEXTCLS_PURE_C_H */
