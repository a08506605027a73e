"""Effects in C++: what every export describes to a plug-in, and gray boxes as plain C++ without a runtime."""
