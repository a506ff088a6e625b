/*
 * team_helper.h
 *		What a helper of a team is told at its start; the rest is in the segment.
 */
#ifndef TEXTCLS_TEAM_HELPER_H
#define TEXTCLS_TEAM_HELPER_H

typedef struct TclsHelperArguments
{
	Oid			database;
	Oid			role;
	int32		rank;
} TclsHelperArguments;

#endif							/* TEXTCLS_TEAM_HELPER_H */
