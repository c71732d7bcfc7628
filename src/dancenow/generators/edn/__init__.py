"""The edn family: the system of Everybody Dance Now (Chan et al., 2019), which generates whole frames."""
