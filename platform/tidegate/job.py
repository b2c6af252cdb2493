raise ImportError("renamed: the vocabulary of a job is tidegate.jobs (a module named job would hide the decorator `tidegate.job`)")
