/** What stands in SQL for a value that a column would not hold exactly. */

/** SQL of the sentence that says so → SQL in the place of the value. */
export type Refusal = (sentenceSql: string) => string

/** The query ends. */
export const ENDS_QUERY: Refusal = (sentenceSql) => `error(${sentenceSql})`

/** The value is NULL, for queries that ask which values are refused. */
export const IS_NULL: Refusal = () => 'NULL'
