"""The forgery classifier: is the person in a video synthesized?"""
