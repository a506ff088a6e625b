/*
 * compat.h
 *		Every difference between server versions, under one name each.
 */
#ifndef TEXTCLS_COMPAT_H
#define TEXTCLS_COMPAT_H

#include "catalog/pg_namespace.h"
#include "storage/proc.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "textcls needs PostgreSQL 15 or newer"
#endif

static inline AclResult
tcls_compat_schema_aclcheck(Oid schema, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role, mode);
#else
	return pg_namespace_aclcheck(schema, role, mode);
#endif
}

/* Number of this process's transaction. */
static inline LocalTransactionId
tcls_compat_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

#endif							/* TEXTCLS_COMPAT_H */
